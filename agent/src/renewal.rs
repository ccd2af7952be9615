//! When to renew: at about two thirds of the lifetime, spread, and never too late.

use std::time::Duration;

/// How long before the end a renewal is due at the latest.
const BEFORE_THE_END: Duration = Duration::from_millis(500);
/// Between two tries while the broker is away.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How long after its issue a credential is to be renewed, given its lifetime and a number from 0 up to 1.
///
/// Between 60 and 73 % of the lifetime, so that credentials that began together do not renew together.
pub fn due_after(lifetime: Duration, spread: f64) -> Duration {
    let share = 0.60 + 0.13 * spread.clamp(0.0, 1.0);
    let due = lifetime.mul_f64(share);
    due.min(lifetime.saturating_sub(BEFORE_THE_END.min(lifetime / 2)))
}

/// How long to wait after the n-th failed try, from 0.
pub fn wait_after_failure(tries: u32, spread: f64) -> Duration {
    let wait = FIRST_WAIT
        .saturating_mul(1 << tries.min(10))
        .min(LONGEST_WAIT);
    wait.mul_f64(0.5 + spread.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn is_about_two_thirds() {
        let minutes = Duration::from_secs(300);
        assert_eq!(due_after(minutes, 0.0), Duration::from_secs(180));
        assert_eq!(due_after(minutes, 1.0), Duration::from_secs(219));
    }

    proptest! {
        #[test]
        fn is_never_after_the_end_and_leaves_time_to_try_again(millis in 1_u64..100_000_000, spread in 0.0..1.0) {
            let lifetime = Duration::from_millis(millis);
            let due = due_after(lifetime, spread);
            prop_assert!(due < lifetime);
            prop_assert!(due >= lifetime.mul_f64(0.45));
        }

        #[test]
        fn waits_are_bounded(tries: u32, spread in 0.0..1.0) {
            let wait = wait_after_failure(tries, spread);
            prop_assert!(wait >= FIRST_WAIT / 2 && wait <= LONGEST_WAIT);
        }
    }
}
