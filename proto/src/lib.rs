//! The contract of Taskpass.
//!
//! - [`v1`]: the generated messages, clients and servers of the package `taskpass.v1`
//! - [`ids`]: job and lease ids (TypeID over UUIDv7)
//! - [`task_name`]: names of tasks
//! - [`holder`]: the secret by which a job's holder is known
//! - [`reason`], [`refusal`]: why a call was refused, and how that travels
//! - [`limits`]: what a request may hold
//! - [`time`]: durations and timestamps on the wire
//!
//! The `.proto` files beside this crate are the truth. The generated code is committed; a test
//! regenerates it with a compiler in pure Rust, so nobody needs `protoc`.

pub mod holder;
pub mod ids;
pub mod limits;
pub mod reason;
mod redacted;
pub mod refusal;
pub mod task_name;
pub mod time;

/// The generated code of the package `taskpass.v1`.
#[allow(
    clippy::all,
    clippy::pedantic,
    missing_docs,
    unreachable_pub,
    clippy::allow_attributes_without_reason,
    reason = "generated"
)]
pub mod v1 {
    include!("gen/taskpass.v1.rs");
}

/// The compiled descriptor set of the contract, as committed.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!("gen/taskpass.v1.binpb");
