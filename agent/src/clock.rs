//! Time since boot, suspension included: what the agent counts with.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A point in time since boot.
pub type Instant = Duration;

/// The machine's clocks.
pub trait Clock: Send + Sync + 'static {
    /// Time since boot. It goes on while the machine sleeps, and never steps.
    fn since_boot(&self) -> Instant;

    /// Milliseconds since 1970: for job ids, and for people.
    fn unix_millis(&self) -> u64;
}

/// The system's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn since_boot(&self) -> Instant {
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
