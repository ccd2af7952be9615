//! The machine's clocks.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Time, as verification needs it.
pub trait Clock: Send + Sync + 'static {
    /// Time since boot. It goes on while the machine sleeps, and never steps.
    fn since_boot(&self) -> Duration;

    /// Milliseconds since 1970.
    fn unix_millis(&self) -> u64;
}

/// The system's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn since_boot(&self) -> Duration {
        read(ClockId::Boottime)
    }

    fn unix_millis(&self) -> u64 {
        u64::try_from(read(ClockId::Realtime).as_millis()).unwrap_or(u64::MAX)
    }
}

fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

#[cfg(test)]
pub(crate) mod fake {
    use super::{Clock, Duration};
    use parking_lot::Mutex;

    /// A clock that is told.
    pub(crate) struct FakeClock(pub(crate) Mutex<(Duration, u64)>);

    impl FakeClock {
        pub(crate) fn at(unix_seconds: u64) -> Self {
            Self(Mutex::new((Duration::from_secs(1000), unix_seconds * 1000)))
        }

        pub(crate) fn pass(&self, duration: Duration) {
            let mut now = self.0.lock();
            now.0 += duration;
            now.1 += u64::try_from(duration.as_millis()).unwrap();
        }
    }

    impl Clock for FakeClock {
        fn since_boot(&self) -> Duration {
            self.0.lock().0
        }

        fn unix_millis(&self) -> u64 {
            self.0.lock().1
        }
    }
}
