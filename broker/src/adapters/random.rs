//! The system's randomness.

use ring::rand::{SecureRandom, SystemRandom};

use crate::ports::random::{Random, RandomFailed};

/// The operating system's source of random bytes.
#[derive(Debug, Clone)]
pub struct SystemSource(SystemRandom);

impl Default for SystemSource {
    #[allow(
        clippy::disallowed_methods,
        reason = "this is where randomness comes in"
    )]
    fn default() -> Self {
        Self(SystemRandom::new())
    }
}

impl SystemSource {
    /// The same source, as the cryptographic library wants it for keys and signatures.
    pub(super) fn for_crypto(&self) -> &SystemRandom {
        &self.0
    }
}

impl Random for SystemSource {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomFailed> {
        self.0.fill(buffer).map_err(|_| RandomFailed)
    }
}
