//! Names in tests that the policy does not have: a test of them passes for the wrong reason.

use std::collections::BTreeSet;

use taskpass_proto::reason::Reason;

use super::{Case, Expected};
use crate::domain::policy::suggest::suggest;
use crate::domain::policy::{Diagnostic, Policy, Severity};

/// Every name that is unknown, where it stands first. It is a warning where the test expects nothing else than
/// that there is no such thing, and an error elsewhere.
pub(super) fn unknown(policy: &Policy, cases: &[Case]) -> Vec<Diagnostic> {
    let mut known = BTreeSet::new();
    let all = cases.iter().flat_map(|case| of_case(policy, case));
    all.filter(|finding| known.insert((finding.severity, finding.message.clone())))
        .collect()
}

fn of_case(policy: &Policy, case: &Case) -> Vec<Diagnostic> {
    let denied = match &case.expected {
        Expected::Allow(_) => None,
        Expected::Deny { reason, .. } => Some(*reason),
    };
    let mut findings = Vec::new();
    let task = &case.given.task;
    if !policy.tasks.contains_key(&**task) {
        let names = policy.tasks.keys().map(|name| &**name);
        let finding = finding(case, ("task", task), names);
        findings.push(weighed(finding, denied == Some(Reason::TaskNotGranted)));
    }
    let credentials = || policy.credentials.keys().map(|name| &**name);
    for wanted in &case.given.wanted {
        if !policy.credentials.contains_key(&*wanted.name) {
            let finding = finding(case, ("credential", &wanted.name), credentials());
            findings.push(weighed(
                finding,
                denied == Some(Reason::CredentialNotGranted),
            ));
        }
    }
    if let Expected::Allow(expected) = &case.expected {
        for name in expected.keys() {
            if !policy.credentials.contains_key(name) {
                findings.push(finding(case, ("credential", name), credentials()));
            }
        }
    }
    findings
}

fn finding<'a>(
    case: &Case,
    (what, name): (&str, &str),
    names: impl Iterator<Item = &'a str>,
) -> Diagnostic {
    let message = format!("there is no {what} `{}`", name.escape_debug());
    let finding = Diagnostic::error(case.place.clone(), message);
    match suggest(name, names) {
        Some(meant) => finding.help(format!("did you mean `{meant}`?")),
        None => finding.help(format!("name a {what} that the policy has")),
    }
}

fn weighed(finding: Diagnostic, is_expected: bool) -> Diagnostic {
    let severity = if is_expected {
        Severity::Warning
    } else {
        Severity::Error
    };
    Diagnostic {
        severity,
        ..finding
    }
}
