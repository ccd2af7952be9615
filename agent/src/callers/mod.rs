//! Which local caller is which workload.
//!
//! - [`mapping`]: who is which, by user and group (pure)
//! - [`peer`]: what the kernel says of the other end of a connection

pub mod mapping;
pub(crate) mod peer;
