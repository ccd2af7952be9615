//! The agent's local face: HTTP/1.1 and JSON on a Unix socket.
//!
//! - [`listener`]: accepts, and asks the kernel who it is
//! - [`connection`]: serves a caller, and can leave it between two requests
//! - [`stream`], [`counted`]: what that needs of the bytes
//! - [`places`]: how many connections, and whose
//! - [`activity`]: when a connection has been idle for too long
//! - [`routes`]: the calls
//! - [`events`]: follows a job
//! - [`wire`]: what requests and answers look like
//! - [`problem`]: the one place that tells callers why not

pub mod activity;
pub mod connection;
mod counted;
pub mod events;
pub mod listener;
pub mod places;
pub mod problem;
pub mod routes;
pub mod stream;
pub mod wire;
