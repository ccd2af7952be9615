//! The gRPC faces: wire in, wire out.
//!
//! - [`broker_service`]: the workload's side, over mutual TLS
//! - [`heartbeat_stream`]: its one long stream
//! - [`admin`]: the operator's side, on a Unix socket
//! - [`requests`], [`answers`], [`words`]: between the wire and our own types
//! - [`refusals`]: the one place that tells callers why not

pub mod admin;
pub mod answers;
pub mod broker_service;
pub mod heartbeat_stream;
pub mod refusals;
pub mod requests;
pub mod words;
