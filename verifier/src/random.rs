//! Randomness, for jitter alone.

use ring::rand::{SecureRandom, SystemRandom};

/// The system's source of random bytes.
#[derive(Debug, Clone)]
pub(crate) struct Random(SystemRandom);

impl Default for Random {
    #[allow(
        clippy::disallowed_methods,
        reason = "this is where randomness comes in"
    )]
    fn default() -> Self {
        Self(SystemRandom::new())
    }
}

impl Random {
    /// A number from 0 up to 1: predictable when the source fails, which jitter can bear.
    pub(crate) fn fraction(&self) -> f64 {
        let mut bytes = [0; 4];
        if self.0.fill(&mut bytes).is_err() {
            return 0.5;
        }
        f64::from(u32::from_le_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
    }
}
