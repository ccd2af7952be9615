//! The installation file.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::audience::AudienceUri;
use super::entry::{Entry, Key, NAME_RULE, is_name};
use super::section::Section;
use crate::domain::policy::diagnostic::Diagnostic;
use crate::domain::policy::installation::{
    EnvironmentCeiling, Installation, Issuer, IssuerKind, OnWithdrawnGrant,
};
use crate::domain::policy::report::Report;
use crate::domain::policy::source::SourceFile;
use crate::domain::policy::suggest::suggest;
use crate::domain::token::LONGEST_TOKEN;

const MAX_TTL: Key<'static> = Key::new("max_ttl", "\"1h\"");
const MAX_DURATION: Key<'static> = Key::new("max_duration", "\"24h\"");
const FORBIDDEN: Key<'static> =
    Key::new("forbidden_audiences", "[\"https://payroll.acme.example\"]");
const ALLOWED: Key<'static> = Key::new("allowed_audiences", "[\"https://docs.acme.example\"]");
const CEILING: Key<'static> = Key::new("ceiling", "{ prod = { max_ttl = \"15m\" } }");
const CEILING_TTL: Key<'static> = Key::new("max_ttl", "\"15m\"");
const CEILING_ISSUERS: Key<'static> = Key::new("issuers", "[\"local\"]");
const CEILING_AUDIENCES: Key<'static> = Key::new("audiences", "[\"https://docs.acme.example\"]");
const ON_WITHDRAWN_GRANT: Key<'static> = Key::new("on_withdrawn_grant", "\"end-jobs\"");
const ISSUER: Key<'static> = Key::new("issuer", "{ local = { kind = \"jwt\" } }");
const KIND: Key<'static> = Key::new("kind", "\"jwt\"");

/// Reads the facts. `None` when something is wrong, which the report then has.
pub(super) fn installation(
    file: &SourceFile,
    mut section: Section<'_>,
    report: &mut Report,
) -> Option<Installation> {
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
    let allowed_audiences = section
        .optional(ALLOWED)
        .map(|entry| audiences(entry, report));
    let environment_ceilings = section
        .optional(CEILING)
        .map(|entry| ceilings(entry, &issuers, report))
        .unwrap_or_default();
    section.refuse(
        &["task", "credential", "environment", "audience", "identity"],
        "belongs into a policy file, not into the installation file",
        "move it into a `*.toml` file of the policy directory",
        report,
    );
    section.finish(report);
    Some(Installation {
        source: file.clone(),
        max_ttl: max_ttl?.value,
        max_duration: max_duration?.value,
        issuers,
        forbidden_audiences: forbidden
            .into_iter()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
        on_withdrawn_grant,
        allowed_audiences,
        environment_ceilings,
    })
}

fn audiences(entry: Entry<'_>, report: &mut Report) -> Vec<Arc<str>> {
    let uris = entry.parsed_list::<AudienceUri>(report);
    uris.into_iter().map(|uri| uri.value.0).collect()
}

fn ceilings(
    entry: Entry<'_>,
    known: &[Issuer],
    report: &mut Report,
) -> BTreeMap<Arc<str>, EnvironmentCeiling> {
    let mut ceilings = BTreeMap::new();
    let Some(tables) = entry.table("the ceilings".to_owned(), report) else {
        return ceilings;
    };
    for (name, entry) in tables.children("{ max_ttl = \"15m\" }") {
        if !is_name(name.value) {
            let finding = Diagnostic::error(name.place.clone(), NAME_RULE);
            report.push(finding.help("name the environment, for instance `[ceiling.prod]`"));
        }
        let what = format!("ceiling `{}`", name.value.escape_debug());
        let Some(mut section) = entry.table(what, report) else {
            continue;
        };
        let max_ttl = section
            .optional(CEILING_TTL)
            .and_then(|entry| entry.duration(report));
        let issuers = section
            .optional(CEILING_ISSUERS)
            .map(|entry| issuer_names(entry, known, report));
        let audiences = section
            .optional(CEILING_AUDIENCES)
            .map(|entry| audiences(entry, report));
        section.finish(report);
        let ceiling = EnvironmentCeiling {
            place: name.place,
            max_ttl: max_ttl.map(|ttl| ttl.value),
            issuers,
            audiences,
        };
        ceilings.insert(name.value.into(), ceiling);
    }
    ceilings
}

fn issuer_names(entry: Entry<'_>, known: &[Issuer], report: &mut Report) -> Vec<Arc<str>> {
    let names = entry.names(report);
    for name in &names {
        if known.iter().any(|issuer| issuer.name == name.value) {
            continue;
        }
        let message = format!("the installation has no issuer `{}`", name.value);
        let finding = Diagnostic::error(name.place.clone(), message);
        let meant = suggest(&name.value, known.iter().map(|issuer| &*issuer.name));
        report.push(match meant {
            Some(meant) => finding.meant(name.place.clone(), meant),
            None => finding.help(format!("declare `[issuer.{}]`", name.value)),
        });
    }
    names.into_iter().map(|name| name.value).collect()
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
    let of_the_top = [
        MAX_TTL,
        MAX_DURATION,
        FORBIDDEN,
        ALLOWED,
        ON_WITHDRAWN_GRANT,
    ]
    .map(|key| key.name);
    section.finish_with(
        |key, _| {
            let is_of_the_top = of_the_top.contains(&key);
            is_of_the_top.then(|| format!("`{key}` stands above the first table: move it there"))
        },
        report,
    );
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
