//! The agent's local interface, as a client: HTTP/1.1 and JSON over a Unix socket.
//!
//! - [`Agent`]: the calls
//! - [`wire`]: what they carry
//! - [`status`]: what the agent says of itself
//! - [`events`]: the stream of a job's changes
//! - [`error`]: why a call failed

mod client;
pub(crate) mod error;
pub(crate) mod events;
pub(crate) mod status;
pub(crate) mod wire;

pub(crate) use client::Agent;
pub(crate) use error::LocalError;
