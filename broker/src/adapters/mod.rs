//! What faces the outside.
//!
//! - [`clock`], [`random`]: the machine
//! - [`keys`]: signing keys
//! - [`store`]: everything durable

pub mod clock;
pub mod keys;
pub mod random;
pub mod store;
