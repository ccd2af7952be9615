//! Durations and timestamps on the wire.

use std::time::Duration;

use prost_types::{Duration as WireDuration, Timestamp as WireTimestamp};

const NANOS_PER_MILLI: u32 = 1_000_000;

/// A duration for the wire; one too long for it becomes the longest.
pub fn to_wire(duration: Duration) -> WireDuration {
    WireDuration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or(0),
    }
}

/// A duration from the wire, or `None` when it is negative or malformed.
pub fn from_wire(duration: &WireDuration) -> Option<Duration> {
    let seconds = u64::try_from(duration.seconds).ok()?;
    let nanos = u32::try_from(duration.nanos)
        .ok()
        .filter(|n| *n < 1_000_000_000)?;
    Some(Duration::new(seconds, nanos))
}

/// A point in time for the wire, from milliseconds since 1970.
pub fn timestamp_from_millis(millis: u64) -> WireTimestamp {
    let nanos = u32::try_from(millis % 1000).unwrap_or(0) * NANOS_PER_MILLI;
    WireTimestamp {
        seconds: i64::try_from(millis / 1000).unwrap_or(i64::MAX),
        nanos: i32::try_from(nanos).unwrap_or(0),
    }
}

/// Milliseconds since 1970, or `None` when the point is before that or malformed.
pub fn millis_from_timestamp(timestamp: &WireTimestamp) -> Option<u64> {
    let seconds = u64::try_from(timestamp.seconds).ok()?;
    let nanos = u32::try_from(timestamp.nanos)
        .ok()
        .filter(|n| *n < 1_000_000_000)?;
    seconds
        .checked_mul(1000)?
        .checked_add(u64::from(nanos / NANOS_PER_MILLI))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn durations_survive_the_wire(seconds in 0_u64..1 << 40, nanos in 0_u32..1_000_000_000) {
            let duration = Duration::new(seconds, nanos);
            prop_assert_eq!(from_wire(&to_wire(duration)), Some(duration));
        }

        #[test]
        fn timestamps_survive_the_wire(millis in 0_u64..1 << 48) {
            prop_assert_eq!(millis_from_timestamp(&timestamp_from_millis(millis)), Some(millis));
        }

        #[test]
        fn malformed_ones_never_panic(seconds: i64, nanos: i32) {
            let _ = from_wire(&WireDuration { seconds, nanos });
            let _ = millis_from_timestamp(&WireTimestamp { seconds, nanos });
        }
    }
}
