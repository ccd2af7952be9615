//! What is expected: `"allow docs-api"`, `"deny TASK_NOT_GRANTED"`, or a table with more to say.

use std::collections::BTreeMap;
use std::sync::Arc;

use taskpass_proto::reason::Reason;
use toml::de::DeValue;

use crate::domain::policy::declared::Located;
use crate::domain::policy::diagnostic::Diagnostic;
use crate::domain::policy::read::entry::{Entry, Key};
use crate::domain::policy::read::section::Section;
use crate::domain::policy::report::Report;
use crate::domain::policy::suggest::suggest;
use crate::domain::policy::tools::cases::{Expected, ExpectedCredential};

const ALLOW: Key<'static> = Key::new("allow", "[\"docs-api\"]");
const DENY: Key<'static> = Key::new("deny", "\"TASK_NOT_GRANTED\"");
const REASON: Key<'static> = Key::new("reason", "\"TASK_NOT_GRANTED\"");
const BECAUSE: Key<'static> = Key::new("because", "\"params.ref\"");
const SCOPES: Key<'static> = Key::new("scopes", "[\"docs:write\"]");
const TTL: Key<'static> = Key::new("ttl", "\"10m\"");
const AUDIENCE: Key<'static> = Key::new("audience", "\"https://docs.acme.example\"");
/// The reasons that a policy denies for.
pub(in crate::domain::policy) const REASONS: [Reason; 8] = [
    Reason::TaskNotGranted,
    Reason::CredentialNotGranted,
    Reason::ScopeNotGranted,
    Reason::Forbidden,
    Reason::ParameterMissing,
    Reason::ParameterUndeclared,
    Reason::ParameterInvalid,
    Reason::RequestInvalid,
];

/// Reads an expectation.
pub(super) fn expected(entry: Entry<'_>, report: &mut Report) -> Option<Expected> {
    let DeValue::Table(_) = entry.value.get_ref() else {
        return words(entry, report);
    };
    let mut section = entry.table("`expect`".to_owned(), report)?;
    let allow = section.optional(ALLOW);
    let deny = section.optional(DENY);
    section.finish(report);
    match (allow, deny) {
        (Some(allow), None) => self::allow(allow, report),
        (None, Some(deny)) => self::deny(deny, report),
        (Some(_), Some(_)) | (None, None) => {
            let message = "`expect` has either `allow` or `deny`".to_owned();
            let example = Entry {
                key: Key::new("expect", "{ deny = \"TASK_NOT_GRANTED\" }"),
                ..entry
            };
            example.refuse(entry.place(), message, report)
        }
    }
}

fn words(entry: Entry<'_>, report: &mut Report) -> Option<Expected> {
    let text = entry.string(report)?;
    let mut words = text.value.split_whitespace();
    match (words.next(), words.collect::<Vec<_>>().as_slice()) {
        (Some("allow"), names) if !names.is_empty() => {
            let names = names.iter().map(|name| ((*name).into(), <_>::default()));
            Some(Expected::Allow(names.collect()))
        }
        (Some("deny"), [code]) => Some(Expected::Deny {
            reason: reason(Located::new(*code, text.place), report)?,
            because: None,
        }),
        _ => {
            let message = "`expect` says `allow` and the credentials, or `deny` and the reason";
            let help =
                "for instance `\"allow docs-api tickets-api\"` or `\"deny TASK_NOT_GRANTED\"`";
            report.push(Diagnostic::error(text.place, message).help(help));
            None
        }
    }
}

fn allow(entry: Entry<'_>, report: &mut Report) -> Option<Expected> {
    let names: BTreeMap<Arc<str>, ExpectedCredential> =
        if let DeValue::Table(_) = entry.value.get_ref() {
            let section = entry.table("`allow`".to_owned(), report)?;
            let one = |(name, entry): (Located<&str>, Entry<'_>)| {
                let what = format!("credential `{}`", name.value.escape_debug());
                let section = entry.table(what, report)?;
                Some((name.value.into(), credential(section, report)))
            };
            let children = section.children("{ ttl = \"10m\" }");
            children.into_iter().filter_map(one).collect()
        } else {
            let one = |name: Located<&str>| (name.value.into(), ExpectedCredential::default());
            entry.strings(report)?.into_iter().map(one).collect()
        };
    if names.is_empty() {
        let message = "a job that is allowed has at least one credential".to_owned();
        return entry.refuse(entry.place(), message, report);
    }
    Some(Expected::Allow(names))
}

fn credential(mut section: Section<'_>, report: &mut Report) -> ExpectedCredential {
    let scopes = section
        .optional(SCOPES)
        .and_then(|entry| entry.strings(report));
    let ttl = section
        .optional(TTL)
        .and_then(|entry| entry.duration(report));
    let audience = section
        .optional(AUDIENCE)
        .and_then(|entry| entry.string(report));
    section.finish(report);
    ExpectedCredential {
        scopes: scopes.map(|all| all.into_iter().map(|s| s.value.to_owned()).collect()),
        ttl: ttl.map(|ttl| ttl.value),
        audience: audience.map(|uri| uri.value.into()),
    }
}

fn deny(entry: Entry<'_>, report: &mut Report) -> Option<Expected> {
    let DeValue::Table(_) = entry.value.get_ref() else {
        let code = entry.string(report)?;
        return Some(Expected::Deny {
            reason: reason(code, report)?,
            because: None,
        });
    };
    let mut section = entry.table("`deny`".to_owned(), report)?;
    let code = section
        .required(REASON, report)
        .and_then(|entry| entry.string(report));
    let because = section
        .optional(BECAUSE)
        .and_then(|entry| entry.line(report));
    section.finish(report);
    Some(Expected::Deny {
        reason: reason(code?, report)?,
        because: because.map(|because| because.value),
    })
}

fn reason(code: Located<&str>, report: &mut Report) -> Option<Reason> {
    let known = REASONS.iter().find(|reason| reason.code() == code.value);
    if known.is_none() {
        let codes = REASONS.map(Reason::code);
        let message = format!("a policy never denies for `{}`", code.value.escape_debug());
        let help = match suggest(code.value, codes.into_iter()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("the reasons are `{}`", codes.join("`, `")),
        };
        report.push(Diagnostic::error(code.place, message).help(help));
    }
    known.copied()
}
