//! Watches the wall clock against the clock since boot: a step pauses issuing and expiry.

use std::time::Duration;

use super::time::UnixMillis;

/// A difference of more than this between two looks is a step.
const STEP: Duration = Duration::from_secs(5);
/// After a step the wall clock must run evenly for this long before it is believed again.
const STEADY_FOR: Duration = Duration::from_secs(60);

/// Says whether the wall clock can be believed.
#[derive(Debug, Clone, Copy)]
pub struct ClockGuard {
    /// The wall clock's reading at boot, by the last look, in milliseconds.
    offset: i128,
    stepped_at: Option<Duration>,
}

/// What a look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockState {
    /// The clocks run together.
    Steady,
    /// The wall clock stepped; it is believed again after this much longer without another step.
    Stepped {
        /// How much longer.
        steady_in: Duration,
    },
}

impl ClockGuard {
    /// Begins with both clocks as they stand.
    pub fn new(wall: UnixMillis, since_boot: Duration) -> Self {
        Self {
            offset: offset(wall, since_boot),
            stepped_at: None,
        }
    }

    /// Looks at both clocks.
    pub fn look(&mut self, wall: UnixMillis, since_boot: Duration) -> ClockState {
        let now = offset(wall, since_boot);
        if (now - self.offset).unsigned_abs() > STEP.as_millis() {
            self.offset = now;
            self.stepped_at = Some(since_boot);
        }
        let Some(stepped_at) = self.stepped_at else {
            // Slow drift is the time service at work: follow it, so that it never adds up to a step.
            self.offset = now;
            return ClockState::Steady;
        };
        let steady_in = STEADY_FOR.saturating_sub(since_boot.saturating_sub(stepped_at));
        if steady_in.is_zero() {
            self.stepped_at = None;
            ClockState::Steady
        } else {
            ClockState::Stepped { steady_in }
        }
    }
}

fn offset(wall: UnixMillis, since_boot: Duration) -> i128 {
    let boot = i128::try_from(since_boot.as_millis()).unwrap_or(i128::MAX);
    i128::from(wall.as_millis()).saturating_sub(boot)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;

    /// Looks at both clocks `boot` seconds after boot, the wall clock `off` seconds ahead of where it was.
    fn look(guard: &mut ClockGuard, boot: u64, off: i64) -> ClockState {
        let wall = 1_700_000_000_000_i64 + (i64::try_from(boot).unwrap() + off) * 1000;
        guard.look(
            UnixMillis::new(u64::try_from(wall).unwrap()),
            Duration::from_secs(boot),
        )
    }

    fn guard() -> ClockGuard {
        ClockGuard::new(UnixMillis::new(1_700_000_000_000), Duration::ZERO)
    }

    #[test]
    fn follows_slow_drift() {
        let mut guard = guard();
        for minute in 1..100 {
            let drift = i64::try_from(minute).unwrap();
            assert_eq!(look(&mut guard, minute * 60, drift), ClockState::Steady);
        }
    }

    #[test]
    fn a_step_in_either_direction_pauses_until_the_clock_is_even_for_a_minute() {
        for step in [-7200, -6, 6, 7200] {
            let mut guard = guard();
            assert_eq!(look(&mut guard, HOUR, 0), ClockState::Steady);
            let stepped = ClockState::Stepped {
                steady_in: Duration::from_secs(60),
            };
            assert_eq!(look(&mut guard, HOUR + 1, step), stepped, "{step}");
            let soon = ClockState::Stepped {
                steady_in: Duration::from_secs(1),
            };
            assert_eq!(look(&mut guard, HOUR + 60, step), soon);
            assert_eq!(look(&mut guard, HOUR + 61, step), ClockState::Steady);
        }
    }

    #[test]
    fn stepping_back_begins_the_minute_again() {
        let mut guard = guard();
        look(&mut guard, 10, 7200);
        let again = ClockState::Stepped {
            steady_in: Duration::from_secs(60),
        };
        assert_eq!(look(&mut guard, 40, 0), again);
    }
}
