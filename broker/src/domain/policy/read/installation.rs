//! The installation file.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::audience::AudienceUri;
use super::entry::{Entry, Key, NAME_RULE, is_name};
use super::section::Section;
use crate::domain::policy::diagnostic::Diagnostic;
use crate::domain::policy::installation::{Installation, Issuer, IssuerKind, OnWithdrawnGrant};
use crate::domain::policy::report::Report;
use crate::domain::token::LONGEST_TOKEN;

const MAX_TTL: Key<'static> = Key::new("max_ttl", "\"1h\"");
const MAX_DURATION: Key<'static> = Key::new("max_duration", "\"24h\"");
const FORBIDDEN: Key<'static> =
    Key::new("forbidden_audiences", "[\"https://payroll.acme.example\"]");
const ON_WITHDRAWN_GRANT: Key<'static> = Key::new("on_withdrawn_grant", "\"end-jobs\"");
const ISSUER: Key<'static> = Key::new("issuer", "{ local = { kind = \"jwt\" } }");
const KIND: Key<'static> = Key::new("kind", "\"jwt\"");

/// Reads the facts. `None` when something is wrong, which the report then has.
pub(super) fn installation(mut section: Section<'_>, report: &mut Report) -> Option<Installation> {
    let max_ttl = section
        .required(MAX_TTL, report)
        .and_then(|entry| entry.duration(report));
    if let Some(max_ttl) = &max_ttl
        && max_ttl.value > LONGEST_TOKEN
    {
        let message = "`max_ttl` is above 24h: no key stays published for longer after it signed";
        let help = "write `max_ttl = \"24h\"` or less; leases are renewed";
        report.push(Diagnostic::error(max_ttl.place.clone(), message).help(help));
    }
    let max_duration = section
        .required(MAX_DURATION, report)
        .and_then(|entry| entry.duration(report));
    let forbidden: Vec<Arc<str>> = section
        .optional(FORBIDDEN)
        .map(|entry| entry.parsed_list::<AudienceUri>(report))
        .unwrap_or_default()
        .into_iter()
        .map(|uri| uri.value.0)
        .collect();
    let issuers = section
        .required(ISSUER, report)
        .map(|entry| issuers(entry, report))
        .unwrap_or_default();
    let on_withdrawn_grant = section.optional(ON_WITHDRAWN_GRANT);
    let on_withdrawn_grant = on_withdrawn_grant
        .map(|entry| withdrawn_grant(entry, report))
        .unwrap_or_default();
    section.refuse(
        &["task", "credential", "environment", "audience", "identity"],
        "belongs into a policy file, not into the installation file",
        "move it into a `*.toml` file of the policy directory",
        report,
    );
    section.finish(report);
    Some(Installation {
        max_ttl: max_ttl?.value,
        max_duration: max_duration?.value,
        issuers,
        forbidden_audiences: forbidden
            .into_iter()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
        on_withdrawn_grant,
    })
}

fn withdrawn_grant(entry: Entry<'_>, report: &mut Report) -> OnWithdrawnGrant {
    let Some(word) = entry.string(report) else {
        return OnWithdrawnGrant::default();
    };
    match word.value {
        "keep-jobs" => OnWithdrawnGrant::KeepJobs,
        "end-jobs" => OnWithdrawnGrant::EndJobs,
        other => {
            let message = format!(
                "`on_withdrawn_grant` is `keep-jobs` or `end-jobs`, not `{}`",
                other.escape_debug()
            );
            let help = "write \"end-jobs\" to end jobs that policy grants no longer, \"keep-jobs\" to \
                        refuse them the next renewal only";
            report.push(Diagnostic::error(word.place, message).help(help));
            OnWithdrawnGrant::default()
        }
    }
}

fn issuers(entry: Entry<'_>, report: &mut Report) -> Vec<Issuer> {
    let Some(section) = entry.table("the issuers".to_owned(), report) else {
        return Vec::new();
    };
    let mut issuers = Vec::new();
    for (name, entry) in section.children("{ kind = \"jwt\" }") {
        if !is_name(name.value) {
            let help = "for instance `[issuer.local]`";
            report.push(Diagnostic::error(name.place.clone(), NAME_RULE).help(help));
        }
        let what = format!("issuer `{}`", name.value.escape_debug());
        let Some(section) = entry.table(what, report) else {
            continue;
        };
        if let Some(kind) = issuer_kind(section.named_at(name.place), report) {
            issuers.push(Issuer {
                name: name.value.into(),
                kind,
            });
        }
    }
    issuers
}

fn issuer_kind(mut section: Section<'_>, report: &mut Report) -> Option<IssuerKind> {
    let kind = section
        .required(KIND, report)
        .and_then(|entry| entry.string(report));
    section.finish(report);
    let kind = kind?;
    if kind.value == "jwt" {
        return Some(IssuerKind::Jwt);
    }
    let message = format!(
        "this version has no issuers of kind `{}`",
        kind.value.escape_debug()
    );
    let help = "write `kind = \"jwt\"`: tokens that the broker signs itself";
    report.push(Diagnostic::error(kind.place, message).help(help));
    None
}
