//! Signing keys.
//!
//! - [`sealing`]: how private parts lie in the store
//! - [`signing_key`], [`public_key`]: one key and its public half
//! - [`key_set`]: all of them: signs, recognises, publishes
//! - [`rotation`]: how they follow one another, by time and by an operator's word
//! - [`audit_key`]: the key that signs the audit log's checkpoints
//! - `ring`: how they stand in memory; `rsa_generation`: where RSA keys come from

pub mod audit_key;
pub mod key_set;
pub mod public_key;
pub mod reseal;
mod ring;
pub mod rotation;
mod rsa_generation;
pub mod sealing;
pub mod signing_key;
#[cfg(test)]
mod tests;
