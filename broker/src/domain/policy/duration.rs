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

/// The duration that a text in another form was likely meant to be: `5 min`, `1.5h`, `PT10M`.
pub(super) fn meant_duration(text: &str) -> Option<String> {
    let lower = text.trim().to_ascii_lowercase();
    let mut rest = lower.strip_prefix("pt").unwrap_or(&lower);
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at_checked(digits)?;
        let after = after.trim_start();
        let letters = after
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(letters)?;
        let seconds = match unit {
            "w" | "week" | "weeks" => 7 * 86_400,
            "d" | "day" | "days" => 86_400,
            "h" | "hr" | "hrs" | "hour" | "hours" => 3_600,
            "m" | "min" | "mins" | "minute" | "minutes" => 60,
            "s" | "sec" | "secs" | "second" | "seconds" => 1,
            _ => return None,
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        total = total.checked_add(whole.parse::<u64>().ok()?.checked_mul(seconds)?)?;
        if !fraction.is_empty() {
            let parts = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
            total =
                total.checked_add(fraction.parse::<u64>().ok()?.checked_mul(seconds)? / parts)?;
        }
        rest = after.trim_start_matches([' ', ',']);
    }
    let meant = show_duration(Duration::from_secs(total));
    parse_duration(&meant).is_ok().then_some(meant)
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

    #[test]
    fn knows_what_people_mean() {
        let table = [
            ("5 min", Some("5m")),
            ("1 h", Some("1h")),
            ("10M", Some("10m")),
            ("10 minutes", Some("10m")),
            ("1h 30m", Some("1h30m")),
            ("30m1h", Some("1h30m")),
            ("1.5h", Some("1h30m")),
            ("PT10M", Some("10m")),
            ("1w", Some("7d")),
            ("1 hour, 5 minutes", Some("1h5m")),
            ("300", None),
            ("500ms", None),
            ("-5m", None),
            ("0s", None),
            ("", None),
            ("99999999999999999999h", None),
        ];
        for (text, expected) in table {
            assert_eq!(meant_duration(text).as_deref(), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_at_what_people_mean(text in "[0-9dhmsPT .,a-z-]{0,24}") {
            let _ = meant_duration(&text);
        }

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
