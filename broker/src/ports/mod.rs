//! What the broker needs of the outside, in its own words.
//!
//! - [`clock`], [`random`]: time and randomness
//! - [`store`]: everything durable
//! - [`signer`]: signs tokens; [`key_desk`]: its keys, as operators handle them
//! - [`log_files`]: the audit log's tiles and checkpoint, and who signs it

pub mod clock;
pub mod key_desk;
pub mod log_files;
pub mod random;
pub mod signer;
pub mod store;
