//! Times for people.

use jiff::Timestamp;

/// How far a point in time is away: `in 4m`, `3h 20m ago`, `now`.
pub(crate) fn relative(at: Timestamp, now: Timestamp) -> String {
    let seconds = at.duration_since(now).as_secs();
    match seconds {
        0 => "now".to_owned(),
        1.. => format!("in {}", span(seconds.unsigned_abs())),
        _ => format!("{} ago", span(seconds.unsigned_abs())),
    }
}

/// The same with the point itself, in UTC as logs and audit records have it.
pub(crate) fn full(at: Timestamp, now: Timestamp) -> String {
    format!("{} ({})", alone(at), relative(at, now))
}

/// The point itself, for what will not come any more.
pub(crate) fn alone(at: Timestamp) -> String {
    at.strftime("%F %T UTC").to_string()
}

/// A length of time in its two largest units.
pub(crate) fn span(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..=59 => format!("{seconds}s"),
        60..=599 => two(minutes, 'm', seconds % 60, 's'),
        600..=3599 => format!("{minutes}m"),
        3600..=86_399 => two(hours, 'h', minutes % 60, 'm'),
        86_400..=863_999 => two(days, 'd', hours % 24, 'h'),
        _ => format!("{days}d"),
    }
}

fn two(large: u64, large_unit: char, small: u64, small_unit: char) -> String {
    match small {
        0 => format!("{large}{large_unit}"),
        _ => format!("{large}{large_unit} {small}{small_unit}"),
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn times_read_as_people_say_them() {
        let table = [
            (0, "now"),
            (1, "in 1s"),
            (59, "in 59s"),
            (60, "in 1m"),
            (272, "in 4m 32s"),
            (-272, "4m 32s ago"),
            (1799, "in 29m"),
            (3600, "in 1h"),
            (-12_000, "3h 20m ago"),
            (90_000, "in 1d 1h"),
            (-8_640_000, "100d ago"),
        ];
        let now: Timestamp = "2026-11-03T12:00:00Z".parse().unwrap();
        for (seconds, text) in table {
            let at = now + SignedDuration::from_secs(seconds);
            assert_eq!(relative(at, now), text, "{seconds}");
        }
        assert_eq!(
            full(now + SignedDuration::from_secs(60), now),
            "2026-11-03 12:01:00 UTC (in 1m)"
        );
    }
}
