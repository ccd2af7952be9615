//! The audit log: what the broker publishes, what others make of it, and what happens to whoever changes it.

mod commands;
mod log;
mod published;
mod tampering;
