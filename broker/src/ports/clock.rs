//! Time.

use std::time::Duration;

use crate::domain::time::UnixMillis;

/// The two clocks of the machine.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock: what credentials and records carry. It can step.
    fn now(&self) -> UnixMillis;

    /// Time since the machine booted, suspension included: what durations are measured with. It never steps.
    fn since_boot(&self) -> Duration;
}

/// A clock that a test sets.
#[cfg(test)]
pub mod fake {
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::{Clock, Duration, UnixMillis};

    /// A clock that stands still until it is told to go on.
    #[derive(Clone)]
    pub struct FakeClock(Arc<Mutex<(UnixMillis, Duration)>>);

    impl FakeClock {
        /// Starts at this point of the wall clock, an hour after boot.
        pub fn at(now: UnixMillis) -> Self {
            Self(Arc::new(Mutex::new((now, Duration::from_secs(3600)))))
        }

        /// Lets time pass on both clocks.
        pub fn advance(&self, by: Duration) {
            let mut clocks = self.0.lock();
            *clocks = (clocks.0.plus(by), clocks.1 + by);
        }

        /// Steps the wall clock alone.
        pub fn step_wall(&self, to: UnixMillis) {
            self.0.lock().0 = to;
        }
    }

    impl Clock for FakeClock {
        fn now(&self) -> UnixMillis {
            self.0.lock().0
        }

        fn since_boot(&self) -> Duration {
            self.0.lock().1
        }
    }
}
