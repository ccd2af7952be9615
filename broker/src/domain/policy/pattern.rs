//! Workload patterns: `spiffe://acme.example/prod/ci/*`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use taskpass_identity::spiffe_id::is_segment;
use taskpass_identity::{SpiffeId, TrustDomain};

const SCHEME: &str = "spiffe://";
const ANY: &str = "*";
const REST: &str = "**";
/// As long as a SPIFFE ID may be.
const MAX_BYTES: usize = 2048;

/// Which workloads are meant. The trust domain is literal; `*` is one segment of the path; `**`, at the end
/// only, is one segment or more.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct WorkloadPattern {
    text: Arc<str>,
}

/// A segment of a pattern's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Segment<'a> {
    /// Exactly this.
    Literal(&'a str),
    /// Any one segment.
    Any,
    /// One segment or more, up to the end.
    Rest,
}

/// Why a text is not a workload pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPattern {
    /// It does not begin with the scheme.
    #[error("a workload pattern begins with `spiffe://`, in lower case")]
    Scheme,
    /// The trust domain has a wildcard.
    #[error("a workload pattern names its trust domain literally, without `*`")]
    TrustDomainWildcard,
    /// The trust domain is not one.
    #[error("the trust domain of a workload pattern is `a-z`, `0-9`, `.`, `-` and `_`")]
    TrustDomain,
    /// There is no path.
    #[error("a workload pattern has a path after the trust domain")]
    NoPath,
    /// `**` is not the last segment.
    #[error("`**` stands for the rest of the path, at its end only")]
    RestNotLast,
    /// `*` is part of a segment.
    #[error("`*` stands for one whole segment of the path, not for a part of one")]
    PartialWildcard,
    /// A segment is empty, `.` or `..`, or has other characters.
    #[error(
        "path segments are one or more of `a-z`, `A-Z`, `0-9`, `.`, `-` and `_`, and neither `.` nor `..`"
    )]
    Segment,
    /// Longer than 2048 bytes.
    #[error("a workload pattern is at most {MAX_BYTES} bytes long")]
    TooLong,
}

impl WorkloadPattern {
    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the pattern takes every workload of its trust domain.
    pub fn is_whole_trust_domain(&self) -> bool {
        self.segments().eq([Segment::Rest])
    }

    /// Whether the pattern names nothing but its trust domain.
    pub(super) fn is_wild(&self) -> bool {
        !self
            .segments()
            .any(|segment| matches!(segment, Segment::Literal(_)))
    }

    /// Whether the workload is one of those that are meant.
    ///
    /// To find which of many patterns match, use a [`WorkloadIndex`](super::WorkloadIndex).
    pub fn matches(&self, id: &SpiffeId) -> bool {
        if self.trust_domain() != id.trust_domain().as_str() {
            return false;
        }
        let mut given = id.segments();
        for segment in self.segments() {
            let met = match (segment, given.next()) {
                (Segment::Rest, given) => return given.is_some(),
                (Segment::Any, given) => given.is_some(),
                (Segment::Literal(wanted), given) => given == Some(wanted),
            };
            if !met {
                return false;
            }
        }
        given.next().is_none()
    }

    pub(super) fn trust_domain(&self) -> &str {
        self.parts().0
    }

    pub(super) fn segments(&self) -> impl Iterator<Item = Segment<'_>> {
        self.parts().1.split('/').map(|segment| match segment {
            ANY => Segment::Any,
            REST => Segment::Rest,
            literal => Segment::Literal(literal),
        })
    }

    fn parts(&self) -> (&str, &str) {
        let rest = self.text.strip_prefix(SCHEME).unwrap_or_default();
        rest.split_once('/').unwrap_or_default()
    }
}

impl FromStr for WorkloadPattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        if text.len() > MAX_BYTES {
            return Err(InvalidPattern::TooLong);
        }
        let rest = text.strip_prefix(SCHEME).ok_or(InvalidPattern::Scheme)?;
        let (domain, path) = match rest.split_once('/') {
            Some((domain, path)) => (domain, Some(path)),
            None => (rest, None),
        };
        if domain.contains('*') {
            return Err(InvalidPattern::TrustDomainWildcard);
        }
        if domain.parse::<TrustDomain>().is_err() {
            return Err(InvalidPattern::TrustDomain);
        }
        let mut segments = path.ok_or(InvalidPattern::NoPath)?.split('/').peekable();
        while let Some(segment) = segments.next() {
            match segment {
                REST if segments.peek().is_some() => return Err(InvalidPattern::RestNotLast),
                ANY | REST => {}
                partial if partial.contains('*') => return Err(InvalidPattern::PartialWildcard),
                literal if is_segment(literal) => {}
                _ => return Err(InvalidPattern::Segment),
            }
        }
        Ok(Self { text: text.into() })
    }
}

impl fmt::Display for WorkloadPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for WorkloadPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_whole_segments_behind_a_literal_trust_domain() {
        use InvalidPattern::*;
        let longest = format!("spiffe://d/{}", "a".repeat(2037));
        let long = format!("{longest}a");
        let table = [
            ("spiffe://acme.example/prod/ci/docs", Ok(())),
            ("spiffe://acme.example/*", Ok(())),
            ("spiffe://acme.example/*/*/a", Ok(())),
            ("spiffe://acme.example/**", Ok(())),
            ("spiffe://acme.example/prod/*/**", Ok(())),
            ("", Err(Scheme)),
            ("**", Err(Scheme)),
            ("https://acme.example/a", Err(Scheme)),
            ("Spiffe://acme.example/a", Err(Scheme)),
            ("spiffe://*/a", Err(TrustDomainWildcard)),
            ("spiffe://*.example/a", Err(TrustDomainWildcard)),
            ("spiffe://**", Err(TrustDomainWildcard)),
            ("spiffe:///a", Err(TrustDomain)),
            ("spiffe://Acme.example/a", Err(TrustDomain)),
            ("spiffe://acme.example:443/a", Err(TrustDomain)),
            ("spiffe://acme.example", Err(NoPath)),
            ("spiffe://acme.example/", Err(Segment)),
            ("spiffe://acme.example/a/", Err(Segment)),
            ("spiffe://acme.example/a//b", Err(Segment)),
            ("spiffe://acme.example/./b", Err(Segment)),
            ("spiffe://acme.example/a b", Err(Segment)),
            ("spiffe://acme.example/${params.ref}", Err(Segment)),
            ("spiffe://acme.example/**/b", Err(RestNotLast)),
            ("spiffe://acme.example/**/**", Err(RestNotLast)),
            ("spiffe://acme.example/ci*", Err(PartialWildcard)),
            ("spiffe://acme.example/***", Err(PartialWildcard)),
            (&longest, Ok(())),
            (&long, Err(TooLong)),
        ];
        for (text, expected) in table {
            assert_eq!(
                text.parse::<WorkloadPattern>().map(|_| ()),
                expected,
                "{text}"
            );
        }
    }
}
