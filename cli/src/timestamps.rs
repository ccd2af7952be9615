//! Points in time on the command line: `2026-11-03T12:00:00Z`, or a date alone.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Reads a point in time; a date alone is its begin in UTC.
pub(crate) fn parse(text: &str) -> Result<Timestamp, String> {
    let date = || {
        let date: Date = text
            .parse()
            .ok()
            .filter(|_| text.len() == "2026-11-03".len())?;
        Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp())
    };
    text.parse().ok().or_else(date).ok_or_else(|| {
        "write a point in time such as `2026-11-03T12:00:00Z`, or a date such as `2026-11-03` (in UTC)"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_date_is_its_begin_in_utc_and_anything_else_gets_an_example() {
        let table = [
            ("2026-01-01", "2026-01-01T00:00:00Z"),
            ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
            ("2026-11-03T12:00:00+02:00", "2026-11-03T10:00:00Z"),
        ];
        for (text, meant) in table {
            assert_eq!(parse(text), Ok(meant.parse().unwrap()), "{text}");
        }
        for text in [
            "",
            "2026",
            "2026-13-01",
            "yesterday",
            "2026-01-01 12:00",
            "20260101",
        ] {
            let error = parse(text);
            assert!(
                error.is_err_and(|text| text.contains("`2026-11-03`")),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,32}") {
            let _ = parse(&text);
        }
    }
}
