//! The gRPC faces: wire in, wire out.
//!
//! - [`broker_service`]: the workload's side, over mutual TLS
//! - [`heartbeat_stream`]: a holder's long stream
//! - [`revocation_stream`]: a verifier's
//! - [`admin`]: the operator's side, on a Unix socket
//! - [`requests`], [`answers`], [`words`]: between the wire and our own types
//! - [`refusals`]: the one place that tells callers why not

pub mod admin;
pub mod answers;
pub mod broker_service;
pub mod heartbeat_stream;
pub mod refusals;
pub mod requests;
pub mod revocation_stream;
pub mod words;
