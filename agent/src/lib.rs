//! The agent: sits on each node, proves identity, holds, renews, hands over, and takes back.
//!
//! - [`config`]: the file `agent.toml`
//! - [`error`]: why the agent does not start, or stops by itself
//! - [`callers`]: which local caller is which workload
//! - [`broker`]: the broker as the agent sees it, and the heartbeats
//! - [`job`]: the jobs, and the one task that owns them
//! - [`journal`], [`holder`]: what survives a restart
//! - [`renewal`]: when to renew
//! - [`watch`]: what jobs are tied to
//! - [`local_api`]: HTTP on the local socket
//! - [`hand_over`]: the upgrade, while jobs go on
//! - [`serve()`]: all of it together; `start`, `running`, `service`: what that begins with, and what it does

pub mod broker;
pub mod callers;
pub mod clock;
pub mod config;
pub mod error;
pub mod hand_over;
pub mod holder;
pub mod job;
pub mod journal;
pub mod local_api;
pub mod random;
pub mod renewal;
mod running;
mod serve;
mod service;
mod start;
pub mod status;
pub mod watch;

pub use config::{AgentConfig, ConfigError};
pub use error::AgentError;
pub use serve::{Role, serve, serve_as};
