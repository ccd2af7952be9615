//! SPIFFE IDs and trust domains, in their one canonical spelling
//! ([SPIFFE-ID](https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md), sections 2.1 to 2.4).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

const SCHEME: &str = "spiffe://";
const MAX_ID_BYTES: usize = 2048;
const MAX_TRUST_DOMAIN_BYTES: usize = 255;

/// A trust domain's name, for instance `acme.example`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrustDomain(Arc<str>);

/// A workload's SPIFFE ID with a non-root path, for instance `spiffe://acme.example/ci/docs`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpiffeId {
    text: Arc<str>,
    trust_domain: TrustDomain,
}

/// Why a text is not a canonical SPIFFE ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSpiffeId {
    /// It does not begin with the scheme, in lower case.
    #[error("a SPIFFE ID begins with `spiffe://`, in lower case")]
    Scheme,
    /// The trust domain is empty, too long, or has other characters.
    #[error(
        "a trust domain is 1 to 255 of `a-z`, `0-9`, `.`, `-` and `_`, without port or user name"
    )]
    TrustDomain,
    /// There is no path, so it names a trust domain and no workload.
    #[error("a workload's SPIFFE ID has a path after the trust domain")]
    NoPath,
    /// A segment is empty, `.` or `..`, or has other characters.
    #[error(
        "path segments are one or more of `a-z`, `A-Z`, `0-9`, `.`, `-` and `_`, and neither `.` nor `..`"
    )]
    Segment,
    /// Longer than 2048 bytes.
    #[error("a SPIFFE ID is at most 2048 bytes long")]
    TooLong,
}

impl TrustDomain {
    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl SpiffeId {
    /// The whole ID.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The trust domain that vouches for it.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// The path with its leading slash.
    pub fn path(&self) -> &str {
        self.text
            .get(SCHEME.len() + self.trust_domain.0.len()..)
            .unwrap_or_default()
    }

    /// The segments of the path, at least one.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.path().split('/').skip(1)
    }
}

impl FromStr for TrustDomain {
    type Err = InvalidSpiffeId;

    fn from_str(text: &str) -> Result<Self, InvalidSpiffeId> {
        let allowed =
            |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_');
        let valid = (1..=MAX_TRUST_DOMAIN_BYTES).contains(&text.len()) && text.bytes().all(allowed);
        if valid {
            Ok(Self(text.into()))
        } else {
            Err(InvalidSpiffeId::TrustDomain)
        }
    }
}

impl FromStr for SpiffeId {
    type Err = InvalidSpiffeId;

    fn from_str(text: &str) -> Result<Self, InvalidSpiffeId> {
        if text.len() > MAX_ID_BYTES {
            return Err(InvalidSpiffeId::TooLong);
        }
        let rest = text.strip_prefix(SCHEME).ok_or(InvalidSpiffeId::Scheme)?;
        let (domain, path) = match rest.split_once('/') {
            Some((domain, path)) => (domain, Some(path)),
            None => (rest, None),
        };
        let trust_domain = domain.parse()?;
        let path = path.ok_or(InvalidSpiffeId::NoPath)?;
        if !path.split('/').all(is_segment) {
            return Err(InvalidSpiffeId::Segment);
        }
        Ok(Self {
            text: text.into(),
            trust_domain,
        })
    }
}

/// Whether a text can stand between two slashes of a SPIFFE ID's path.
pub fn is_segment(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    !text.is_empty() && text != "." && text != ".." && text.bytes().all(allowed)
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn takes_canonical_ids_only() {
        use InvalidSpiffeId::{NoPath, Scheme, Segment, TooLong, TrustDomain};
        let long = format!("spiffe://d/{}", "a".repeat(2038));
        let long_domain = format!("spiffe://{}/a", "d".repeat(256));
        let table = [
            ("spiffe://acme.example/ci/docs", Ok(())),
            ("spiffe://d_1-x.y/A.b-c_D", Ok(())),
            ("spiffe://d/...", Ok(())),
            ("", Err(Scheme)),
            ("https://d/a", Err(Scheme)),
            ("SPIFFE://d/a", Err(Scheme)),
            ("Spiffe://d/a", Err(Scheme)),
            (" spiffe://d/a", Err(Scheme)),
            ("spiffe:///a", Err(TrustDomain)),
            ("spiffe://D/a", Err(TrustDomain)),
            ("spiffe://d:443/a", Err(TrustDomain)),
            ("spiffe://u@d/a", Err(TrustDomain)),
            ("spiffe://d%2e/a", Err(TrustDomain)),
            ("spiffe://d?q", Err(TrustDomain)),
            (&long_domain, Err(TrustDomain)),
            ("spiffe://d", Err(NoPath)),
            ("spiffe://d/", Err(Segment)),
            ("spiffe://d/a/", Err(Segment)),
            ("spiffe://d//a", Err(Segment)),
            ("spiffe://d/./a", Err(Segment)),
            ("spiffe://d/../a", Err(Segment)),
            ("spiffe://d/%61", Err(Segment)),
            ("spiffe://d/a?q=1", Err(Segment)),
            ("spiffe://d/a#f", Err(Segment)),
            ("spiffe://d/ä", Err(Segment)),
            ("spiffe://d/a\0", Err(Segment)),
            ("spiffe://d/*", Err(Segment)),
            (&long, Err(TooLong)),
        ];
        for (text, expected) in table {
            assert_eq!(text.parse::<SpiffeId>().map(|_| ()), expected, "{text}");
        }
    }

    #[test]
    fn names_its_parts() {
        let id: SpiffeId = "spiffe://acme.example/ci/docs".parse().unwrap();
        assert_eq!(id.trust_domain().as_str(), "acme.example");
        assert_eq!(id.path(), "/ci/docs");
        assert_eq!(id.segments().collect::<Vec<_>>(), ["ci", "docs"]);
    }

    proptest! {
        #[test]
        fn never_panics_and_shows_what_it_read(text in "(spiffe://)?[a-zA-Z0-9./:@%_-]{0,40}") {
            if let Ok(id) = text.parse::<SpiffeId>() {
                prop_assert_eq!(id.as_str(), &text);
                prop_assert_eq!(format!("spiffe://{}{}", id.trust_domain(), id.path()), text);
            }
        }
    }
}
