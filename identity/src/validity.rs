//! When a certificate, or a whole path of them, is valid.

use std::time::Duration;

use rustls_pki_types::UnixTime;

/// A span of time, both ends included, as certificates state it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first second in which it is valid.
    pub not_before: UnixTime,
    /// The last second in which it is valid.
    pub not_after: UnixTime,
}

impl Validity {
    /// Whether it is valid at a point in time.
    pub fn contains(&self, at: UnixTime) -> bool {
        self.not_before <= at && at <= self.not_after
    }

    /// The time in which both are valid.
    pub fn intersect(self, other: Self) -> Self {
        Self {
            not_before: self.not_before.max(other.not_before),
            not_after: self.not_after.min(other.not_after),
        }
    }
}

impl From<&x509_parser::certificate::Validity> for Validity {
    fn from(validity: &x509_parser::certificate::Validity) -> Self {
        // A time before 1970 becomes 1970, which is as far in the past for every purpose here.
        let unix = |seconds: i64| {
            UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
        };
        Self {
            not_before: unix(validity.not_before.timestamp()),
            not_after: unix(validity.not_after.timestamp()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    #[test]
    fn includes_both_ends() {
        let validity = Validity {
            not_before: at(10),
            not_after: at(20),
        };
        for (seconds, expected) in [(9, false), (10, true), (20, true), (21, false)] {
            assert_eq!(validity.contains(at(seconds)), expected, "{seconds}");
        }
    }

    #[test]
    fn intersects_to_the_shorter_time() {
        let span = |from, to| Validity {
            not_before: at(from),
            not_after: at(to),
        };
        assert_eq!(span(10, 20).intersect(span(5, 15)), span(10, 15));
    }
}
