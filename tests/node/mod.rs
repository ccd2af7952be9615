//! Promises of the whole: a real broker, real agents, real processes.

mod agent_crash;
mod endings;
mod local_interface;
mod outage;
mod renewal;
mod silent_workload_api;
mod spire;
mod upgrade;
mod workload_api;
