//! The broker's administration, as a client: gRPC over a Unix socket.
//!
//! - [`connect`], [`failed`]: the connection, and what to say when a call fails
//! - [`wire`]: times and words of the wire
//! - [`job`], [`lease`]: how jobs and leases are shown
//! - [`ending`]: ends something and waits until that is confirmed

mod client;
pub(crate) mod ending;
pub(crate) mod job;
pub(crate) mod lease;
pub(crate) mod wire;

pub(crate) use client::{connect, failed};
