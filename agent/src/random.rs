//! Randomness.

use ring::rand::{SecureRandom, SystemRandom};

/// The system's source of random bytes.
#[derive(Debug, Clone)]
pub struct Random(SystemRandom);

/// The system's source of randomness failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system's source of randomness failed")]
pub struct RandomFailed;

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
    /// New random bytes.
    pub fn bytes<const N: usize>(&self) -> Result<[u8; N], RandomFailed> {
        let mut bytes = [0; N];
        self.0.fill(&mut bytes).map_err(|_| RandomFailed)?;
        Ok(bytes)
    }

    /// A number from 0 up to 1, for jitter: predictable when the source fails, which jitter can bear.
    pub fn fraction(&self) -> f64 {
        let bytes = self.bytes::<4>().unwrap_or_default();
        f64::from(u32::from_le_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
    }
}
