//! The broker's administration, as a client: gRPC over a Unix socket.
//!
//! - [`connect`], [`failed`], [`not_found`]: the connection, and what to say when a call fails
//! - [`wire`]: times and words of the wire
//! - [`job`], [`lease`], [`ban`], [`key`], [`audit`]: how these are shown
//! - [`ending`]: ends something and waits until that is confirmed

pub(crate) mod audit;
pub(crate) mod ban;
mod client;
pub(crate) mod ending;
pub(crate) mod job;
pub(crate) mod key;
pub(crate) mod lease;
pub(crate) mod wire;

pub(crate) use client::{connect, failed, not_found};
