//! What faces the outside.
//!
//! - [`clock`], [`random`]: the machine
//! - [`keys`]: signing keys
//! - [`log_directory`]: the audit log as plain files
//! - [`store`]: everything durable

pub mod clock;
pub mod keys;
pub mod log_directory;
pub mod random;
pub mod store;
