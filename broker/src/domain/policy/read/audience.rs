//! `[audience.NAME]`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::entry::Key;
use super::section::Section;
use crate::domain::policy::declared::DeclaredAudience;
use crate::domain::policy::report::Report;

const URI: Key<'static> = Key::new("uri", "\"https://docs.acme.example\"");
const VERIFIERS: Key<'static> = Key::new("verifiers", "[\"spiffe://acme.example/prod/docs-api\"]");
const MAX_URI_BYTES: usize = 512;

/// An audience as it stands in tokens.
pub(super) struct AudienceUri(pub(super) Arc<str>);

/// The text cannot be an audience.
pub(super) struct InvalidAudience;

pub(super) fn audience(mut section: Section<'_>, report: &mut Report) -> DeclaredAudience {
    let uri = section
        .required(URI, report)
        .and_then(|entry| entry.parsed::<AudienceUri>(report))
        .map(|uri| uri.map(|uri| uri.0));
    let verifiers = section
        .optional(VERIFIERS)
        .map(|entry| entry.parsed_list(report))
        .unwrap_or_default();
    section.finish(report);
    DeclaredAudience { uri, verifiers }
}

impl FromStr for AudienceUri {
    type Err = InvalidAudience;

    fn from_str(text: &str) -> Result<Self, InvalidAudience> {
        let allowed = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\' | b'<' | b'>');
        let valid = (1..=MAX_URI_BYTES).contains(&text.len())
            && text.bytes().all(allowed)
            && !text.contains("${")
            && !text.contains('*')
            && text.contains(':');
        if valid {
            Ok(Self(text.into()))
        } else {
            Err(InvalidAudience)
        }
    }
}

impl fmt::Display for InvalidAudience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "an audience is one URI of at most {MAX_URI_BYTES} bytes, without spaces, wildcards and anything to fill in"
        )
    }
}
