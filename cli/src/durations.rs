//! Durations on the command line: `30s`, `5m`, `1h30m`.

use std::time::Duration;

use jiff::SignedDuration;

/// Reads a duration above zero.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let hint = || "write a duration such as `30s`, `5m` or `1h30m`".to_owned();
    // jiff also reads ISO 8601, signs and words; one spelling is enough here.
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.');
    if !plain || text.starts_with(['P', 'p']) {
        return Err(hint());
    }
    let parsed: SignedDuration = text.parse().map_err(|_| hint())?;
    Duration::try_from(parsed)
        .ok()
        .filter(|duration| !duration.is_zero())
        .ok_or_else(hint)
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
        ];
        for (text, seconds) in table {
            assert_eq!(parse(text), Ok(Duration::from_secs_f64(seconds)), "{text}");
        }
    }

    #[test]
    fn refuses_the_rest_with_an_example() {
        for text in ["", "30", "-5s", "0s", "PT5M", "5 m", "soon", "5s ago", "1d"] {
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
