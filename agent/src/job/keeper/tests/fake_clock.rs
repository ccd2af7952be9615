//! A boot clock that follows tokio's, and can be put to sleep.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant as TokioInstant;

use crate::clock::{Clock, Instant};

/// Long enough up that nothing is near zero.
const UP: Duration = Duration::from_secs(100_000);
const BORN_MILLIS: u64 = 1_800_000_000_000;

pub(super) struct FakeClock {
    begun: TokioInstant,
    asleep_millis: AtomicU64,
}

impl FakeClock {
    /// The machine sleeps this long: timers stand still, the boot clock does not.
    pub(super) fn sleep(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap();
        self.asleep_millis.fetch_add(millis, Ordering::SeqCst);
    }

    fn passed(&self) -> Duration {
        let asleep = Duration::from_millis(self.asleep_millis.load(Ordering::SeqCst));
        self.begun.elapsed() + asleep
    }
}

impl Default for FakeClock {
    fn default() -> Self {
        Self {
            begun: TokioInstant::now(),
            asleep_millis: AtomicU64::default(),
        }
    }
}

impl Clock for FakeClock {
    fn since_boot(&self) -> Instant {
        UP + self.passed()
    }

    fn unix_millis(&self) -> u64 {
        BORN_MILLIS + u64::try_from(self.passed().as_millis()).unwrap()
    }
}
