//! Durations as people write them: `45s`, `10m`, `1h30m`.

use std::time::Duration;

const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// Why a text is not a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDuration {
    /// Not numbers with units.
    #[error("a duration is numbers with the units `d`, `h`, `m`, `s` in this order, as in `1h30m`")]
    Syntax,
    /// No time at all.
    #[error("a duration is longer than zero")]
    Zero,
    /// More than a year.
    #[error("a duration is at most `365d`")]
    TooLong,
}

/// Reads a duration: numbers with the units `d`, `h`, `m` and `s`, each at most once and in this order; not
/// zero, at most 365 days.
pub fn parse_duration(text: &str) -> Result<Duration, InvalidDuration> {
    let mut rest = text;
    let mut total: u64 = 0;
    for (unit, seconds) in UNITS {
        let Some((number, after)) = rest.split_once(unit) else {
            continue;
        };
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(InvalidDuration::Syntax);
        }
        let number: u64 = number.parse().map_err(|_| InvalidDuration::TooLong)?;
        total = number
            .checked_mul(seconds)
            .and_then(|part| total.checked_add(part))
            .ok_or(InvalidDuration::TooLong)?;
        rest = after;
    }
    if text.is_empty() || !rest.is_empty() {
        return Err(InvalidDuration::Syntax);
    }
    match Duration::from_secs(total) {
        Duration::ZERO => Err(InvalidDuration::Zero),
        duration if duration > LONGEST => Err(InvalidDuration::TooLong),
        duration => Ok(duration),
    }
}

/// Writes a duration as [`parse_duration`] reads it; what is below a second is cut off.
pub fn show_duration(duration: Duration) -> String {
    let mut rest = duration.as_secs();
    let mut text = String::new();
    for (unit, seconds) in UNITS {
        let number = rest / seconds;
        rest %= seconds;
        if number > 0 {
            text.push_str(&number.to_string());
            text.push(unit);
        }
    }
    if text.is_empty() {
        "0s".to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_people_write() {
        use InvalidDuration::*;
        let table = [
            ("45s", Ok(45)),
            ("10m", Ok(600)),
            ("1h30m", Ok(5400)),
            ("1d", Ok(86_400)),
            ("90m", Ok(5400)),
            ("1h5s", Ok(3605)),
            ("365d", Ok(31_536_000)),
            ("", Err(Syntax)),
            ("10", Err(Syntax)),
            ("m", Err(Syntax)),
            ("10 m", Err(Syntax)),
            ("10M", Err(Syntax)),
            ("10min", Err(Syntax)),
            ("30m1h", Err(Syntax)),
            ("1m1m", Err(Syntax)),
            ("-1m", Err(Syntax)),
            ("+1m", Err(Syntax)),
            ("1.5h", Err(Syntax)),
            ("٣m", Err(Syntax)),
            ("500ms", Err(Syntax)),
            ("0s", Err(Zero)),
            ("0h0m", Err(Zero)),
            ("366d", Err(TooLong)),
            ("365d1s", Err(TooLong)),
            ("99999999999999999999s", Err(TooLong)),
            ("18446744073709551615d", Err(TooLong)),
        ];
        for (text, expected) in table {
            assert_eq!(
                parse_duration(text).map(|d| d.as_secs()),
                expected,
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn reads_what_it_writes(seconds in 1_u64..=31_536_000) {
            let duration = Duration::from_secs(seconds);
            prop_assert_eq!(parse_duration(&show_duration(duration)), Ok(duration));
        }

        #[test]
        fn never_panics(text in "[0-9dhms .+-]{0,24}") {
            let _ = parse_duration(&text);
        }
    }
}
