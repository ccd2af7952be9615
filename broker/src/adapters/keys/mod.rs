//! Signing keys.
//!
//! - [`sealing`]: how private parts lie in the store
//! - [`es256`]: one key
//! - [`key_set`]: all of them: signs, recognises, publishes
//! - [`audit_key`]: the key that signs the audit log's checkpoints

pub mod audit_key;
pub mod es256;
pub mod key_set;
pub mod sealing;
