//! `[credential.NAME]`.

use super::entry::Key;
use super::section::Section;
use crate::domain::policy::declared::DeclaredCredential;
use crate::domain::policy::report::Report;

const ISSUER: Key<'static> = Key::new("issuer", "\"local\"");
const AUDIENCE: Key<'static> = Key::new("audience", "\"docs\"");
const SCOPES: Key<'static> = Key::new("scopes", "[\"docs:write\"]");
const TTL: Key<'static> = Key::new("ttl", "\"10m\"");
const ENVIRONMENT: Key<'static> = Key::new("environment", "\"any\"");

pub(super) fn credential(mut section: Section<'_>, report: &mut Report) -> DeclaredCredential {
    let issuer = section
        .required(ISSUER, report)
        .and_then(|entry| entry.name(report));
    let audience = section
        .required(AUDIENCE, report)
        .and_then(|entry| entry.name(report));
    let scopes = section
        .required(SCOPES, report)
        .map(|entry| entry.parsed_list(report))
        .unwrap_or_default();
    let ttl = section
        .required(TTL, report)
        .and_then(|entry| entry.duration(report));
    let environment = section
        .required(ENVIRONMENT, report)
        .and_then(|entry| entry.name(report));
    section.finish(report);
    DeclaredCredential {
        issuer,
        audience,
        scopes,
        ttl,
        environment,
    }
}
