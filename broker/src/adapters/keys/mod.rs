//! Signing keys.
//!
//! - [`sealing`]: how private parts lie in the store
//! - [`es256`]: one key
//! - [`key_set`]: all of them: signs, recognises, publishes

pub mod es256;
pub mod key_set;
pub mod sealing;
