//! What the broker needs of the outside, in its own words.
//!
//! - [`clock`], [`random`]: time and randomness
//! - [`store`]: everything durable
//! - [`signer`]: signs tokens

pub mod clock;
pub mod random;
pub mod signer;
pub mod store;
