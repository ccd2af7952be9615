//! The agent: sits on each node, finds out from the kernel which workload a local caller is, gets
//! credentials for its jobs, renews them, and takes them back when the job ends.
//!
//! - [`callers`]: which local caller is which workload
//! - [`config`]: the file `agent.toml`
//! - [`error`]: why the agent does not start, or stops
//! - [`serve`]: runs the agent until it is told to stop

pub mod callers;
pub mod config;
pub mod error;
mod serve;

pub use config::{AgentConfig, ConfigError};
pub use error::AgentError;
pub use serve::serve;
