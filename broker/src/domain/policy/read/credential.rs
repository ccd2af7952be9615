//! `[credential.NAME]`.

use std::fmt;
use std::str::FromStr;

use super::claims::claims;
use super::entry::{Entry, Key};
use super::meant::Meant;
use super::section::Section;
use crate::domain::policy::declared::DeclaredCredential;
use crate::domain::policy::report::{Reference, Report};

const ISSUER: Key<'static> = Key::new("issuer", "\"local\"").referring(Reference::Issuer);
const AUDIENCE: Key<'static> = Key::new("audience", "\"docs\"").referring(Reference::Audience);
const SCOPES: Key<'static> = Key::new("scopes", "[\"docs:write\"]");
const TTL: Key<'static> = Key::new("ttl", "\"10m\"");
const ENVIRONMENT: Key<'static> =
    Key::new("environment", "\"any\"").referring(Reference::Environment);
const ALGORITHM: Key<'static> = Key::new("algorithm", "\"ES256\"");
const SHAPE: Key<'static> = Key::new("shape", "\"access-token\"");
const CLAIMS: Key<'static> = Key::new("claims", "{ team = \"docs\" }");

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
    let algorithm = word(section.optional(ALGORITHM), report);
    let shape = word(section.optional(SHAPE), report);
    let claims = section
        .optional(CLAIMS)
        .map(|entry| claims(entry, report))
        .unwrap_or_default();
    section.finish(report);
    DeclaredCredential {
        issuer,
        audience,
        scopes,
        ttl,
        environment,
        algorithm,
        shape,
        claims,
    }
}

/// One of a few words, or the usual one.
fn word<T>(entry: Option<Entry<'_>>, report: &mut Report) -> T
where
    T: Meant + FromStr<Err: fmt::Display> + Default,
{
    entry
        .and_then(|entry| entry.parsed(report))
        .map(|word| word.value)
        .unwrap_or_default()
}
