//! Which local caller is which workload, by the kernel's word alone.
//!
//! - [`peer`]: the process at the other end of a Unix socket
//! - [`mapping`]: from its user and group to exactly one identity

pub mod mapping;
pub mod peer;

pub use mapping::Mapping;
pub use peer::Peer;
