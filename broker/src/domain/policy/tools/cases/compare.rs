//! Whether a decision is the expected one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use super::{Expected, ExpectedCredential};
use crate::domain::policy::duration::show_duration;
use crate::domain::policy::{Allowed, Decision, Denied, Permitted};

/// One thing that is not as expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mismatch {
    /// What was compared: `outcome`, `credentials`, `scopes of docs-api` …
    pub what: String,
    /// What it should be.
    pub expected: String,
    /// What it is.
    pub got: String,
}

pub(super) fn mismatches(expected: &Expected, decision: &Decision) -> Vec<Mismatch> {
    match (expected, decision.allowed()) {
        (Expected::Allow(credentials), Ok(allowed)) => allowed_otherwise(credentials, allowed),
        (Expected::Allow(credentials), Err(denied)) => {
            vec![mismatch(
                "outcome",
                format!("allow {}", joined(credentials.keys())),
                refusal(denied),
            )]
        }
        (Expected::Deny { reason, .. }, Ok(allowed)) => {
            let names = allowed.credentials.iter().map(|permitted| &permitted.name);
            let got = format!("allow {}", joined(names));
            vec![mismatch("outcome", format!("deny {}", reason.code()), got)]
        }
        (Expected::Deny { reason, .. }, Err(denied)) if *reason != denied.reason => {
            let expected = format!("deny {}", reason.code());
            vec![mismatch("outcome", expected, refusal(denied))]
        }
        (Expected::Deny { because, .. }, Err(denied)) => because
            .iter()
            .filter(|because| !denied.explanation.contains(&***because))
            .map(|because| mismatch("cause", because.to_string(), denied.explanation.clone()))
            .collect(),
    }
}

fn allowed_otherwise(
    expected: &BTreeMap<Arc<str>, ExpectedCredential>,
    allowed: &Allowed,
) -> Vec<Mismatch> {
    let names: BTreeSet<_> = allowed.credentials.iter().map(|one| &one.name).collect();
    let mut mismatches = Vec::new();
    if !names.iter().copied().eq(expected.keys()) {
        let (expected, got) = (joined(expected.keys()), joined(names.into_iter()));
        mismatches.push(mismatch("credentials", expected, got));
    }
    for permitted in &allowed.credentials {
        if let Some(expected) = expected.get(&permitted.name) {
            mismatches.extend(credential(expected, permitted));
        }
    }
    mismatches
}

fn credential(expected: &ExpectedCredential, permitted: &Permitted) -> Vec<Mismatch> {
    let name = &permitted.name;
    let mut mismatches = Vec::new();
    if let Some(scopes) = &expected.scopes {
        let wanted: BTreeSet<_> = scopes.iter().collect();
        let got: BTreeSet<_> = permitted.scopes.iter().collect();
        if wanted != got {
            let what = format!("scopes of {name}");
            let (expected, got) = (joined(wanted.into_iter()), joined(got.into_iter()));
            mismatches.push(mismatch(what, expected, got));
        }
    }
    if let Some(ttl) = expected.ttl.filter(|ttl| *ttl != permitted.ttl) {
        let what = format!("lifetime of {name}");
        let (expected, got) = (show_duration(ttl), show_duration(permitted.ttl));
        mismatches.push(mismatch(what, expected, got));
    }
    if let Some(audience) = &expected.audience
        && *audience != permitted.audience
    {
        let (expected, got) = (audience.to_string(), permitted.audience.to_string());
        mismatches.push(mismatch(format!("audience of {name}"), expected, got));
    }
    mismatches
}

fn refusal(denied: &Denied) -> String {
    format!("deny {}: {}", denied.reason.code(), denied.explanation)
}

fn joined<T: AsRef<str>>(texts: impl Iterator<Item = T>) -> String {
    let texts: Vec<T> = texts.collect();
    let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
    match texts.join(" ") {
        none if none.is_empty() => "nothing".to_owned(),
        joined => joined,
    }
}

fn mismatch(what: impl Into<String>, expected: String, got: String) -> Mismatch {
    Mismatch {
        what: what.into(),
        expected,
        got,
    }
}
