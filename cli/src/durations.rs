//! Durations on the command line: `30s`, `5m`, `1h30m`, `7d`.

use std::time::Duration;

use jiff::SignedDuration;

/// As in policy files, a day is 24 hours.
const SECONDS_A_DAY: u64 = 86_400;

/// Reads a duration above zero.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    read(text)
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| "write a duration such as `30s`, `5m`, `1h30m` or `7d`".to_owned())
}

fn read(text: &str) -> Option<Duration> {
    match text
        .split_once('d')
        .and_then(|(days, rest)| Some((whole(days)?, rest)))
    {
        Some((days, "")) => Some(days),
        Some((days, rest)) => days.checked_add(below_a_day(rest)?),
        None => below_a_day(text),
    }
}

/// A number of days, in digits alone.
fn whole(days: &str) -> Option<Duration> {
    if !days.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds = days.parse::<u64>().ok()?.checked_mul(SECONDS_A_DAY)?;
    Some(Duration::from_secs(seconds))
}

fn below_a_day(text: &str) -> Option<Duration> {
    // jiff also reads ISO 8601, signs and words; one spelling is enough here.
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.');
    if !plain || text.starts_with(['P', 'p']) {
        return None;
    }
    let parsed: SignedDuration = text.parse().ok()?;
    Duration::try_from(parsed).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_people_write() {
        let table = [
            ("30s", 30.0),
            ("5m", 300.0),
            ("1h30m", 5400.0),
            ("250ms", 0.25),
            ("1.5h", 5400.0),
            ("1d", 86_400.0),
            ("7d", 604_800.0),
            ("1d12h", 129_600.0),
        ];
        for (text, seconds) in table {
            assert_eq!(parse(text), Ok(Duration::from_secs_f64(seconds)), "{text}");
        }
    }

    #[test]
    fn refuses_the_rest_with_an_example() {
        for text in [
            "",
            "30",
            "-5s",
            "0s",
            "PT5M",
            "5 m",
            "soon",
            "5s ago",
            "d",
            "0d",
            "-1d",
            "1.5d",
            "1d1d",
            "7 days",
            "99999999999999999d",
        ] {
            let error = parse(text);
            assert!(error.is_err_and(|text| text.contains("`30s`")), "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,32}") {
            let _ = parse(&text);
        }
    }
}
