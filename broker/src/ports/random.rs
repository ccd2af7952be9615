//! Randomness.

/// A source of cryptographically secure random bytes.
pub trait Random: Send + Sync + 'static {
    /// Fills the buffer, or says that the system's source failed.
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomFailed>;
}

/// The system's source of randomness failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system's source of randomness failed")]
pub struct RandomFailed;

/// Fills a new array.
pub fn array<const N: usize>(random: &dyn Random) -> Result<[u8; N], RandomFailed> {
    let mut bytes = [0; N];
    random.fill(&mut bytes)?;
    Ok(bytes)
}

/// Predictable bytes for tests.
#[cfg(test)]
pub mod fake {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::{Random, RandomFailed};

    /// Counts, so that no two draws are alike.
    #[derive(Default)]
    pub struct CountingRandom(AtomicU64);

    impl Random for CountingRandom {
        fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomFailed> {
            let draw = self.0.fetch_add(1, Ordering::Relaxed) + 1;
            for (byte, value) in buffer
                .iter_mut()
                .zip(draw.to_le_bytes().into_iter().cycle())
            {
                *byte = value;
            }
            Ok(())
        }
    }
}
