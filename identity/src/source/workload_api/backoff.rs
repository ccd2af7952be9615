//! How long to wait before the next try.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(200);
/// A server that is back is found within this time.
const LONGEST: Duration = Duration::from_secs(30);

/// Waits that double up to half a minute, each up to a half shorter, so that not all clients of a
/// server come back at the same moment.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The next wait; `random` says how much shorter it is.
    pub(super) fn next(&mut self, random: u8) -> Duration {
        let doubled = 2_u32.saturating_pow(self.failures);
        self.failures = self.failures.saturating_add(1);
        let wait = FIRST.saturating_mul(doubled).min(LONGEST);
        wait.saturating_sub(wait / 2 * u32::from(random) / 255)
    }

    /// All was well for a while.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_half_a_minute_for_ever() {
        let mut backoff = Backoff::default();
        let waits: Vec<u128> = (0..10).map(|_| backoff.next(0).as_millis()).collect();
        assert_eq!(waits[..4], [200, 400, 800, 1600]);
        assert_eq!(waits[8..], [30_000, 30_000]);
        backoff.failures = u32::MAX;
        assert_eq!(backoff.next(0), LONGEST);
        backoff.reset();
        assert_eq!(backoff.next(255), FIRST / 2);
    }
}
