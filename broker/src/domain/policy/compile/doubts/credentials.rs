//! Credentials that nobody gets, and scopes that say something else than was meant.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex_lite::Regex;

use crate::domain::policy::compile::names::Names;
use crate::domain::policy::declared::{DeclaredAudience, DeclaredCredential, DeclaredTask};
use crate::domain::policy::diagnostic::Diagnostic;
use crate::domain::policy::lint::Lint;
use crate::domain::policy::report::Report;

/// `{name}`, `{{params.name}}`, `$params.name` and the like.
static BLANK: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let name = "([A-Za-z0-9_-]+)";
    Regex::new(&format!(
        r"[$%@]?\{{\{{?\s*(?:params\.)?{name}\s*\}}?\}}|[$%@]\(\s*(?:params\.)?{name}\s*\)|<(?:params\.)?{name}>|\$?params\.{name}"
    ))
    .ok()
});

/// Reports credentials that no grant names, and audiences that no credential is for.
pub(super) fn look_at(
    tasks: &Names<'_, DeclaredTask>,
    credentials: &Names<'_, DeclaredCredential>,
    audiences: &Names<'_, DeclaredAudience>,
    report: &mut Report,
) {
    for credential in credentials.values() {
        scopes(&credential.body, report);
    }
    if report.is_partial() {
        return;
    }
    let mut grants = tasks.values().flat_map(|task| &task.body.grants);
    let is_granting_whole = grants.all(|grant| grant.is_whole);
    let grants = tasks.values().flat_map(|task| &task.body.grants);
    let granted: BTreeSet<&str> = grants
        .flat_map(|grant| &grant.credentials)
        .map(|name| &*name.value)
        .collect();
    for (name, credential) in credentials {
        if !granted.contains(name) && is_granting_whole {
            let place = credential.name.place.clone();
            let message = format!("nobody can get credential `{name}`: no grant names it");
            let help = "name it in the `credentials` of a grant, or remove it";
            report.push(Diagnostic::warning(Lint::CredentialNotGranted, place, message).help(help));
        }
    }
    let used: BTreeSet<&str> = credentials
        .values()
        .filter_map(|credential| credential.body.audience.as_ref())
        .map(|audience| &*audience.value)
        .collect();
    let is_using_whole = credentials.values().all(|credential| {
        let audience = credential.body.audience.as_ref();
        audience.is_some_and(|audience| audiences.contains_key(&*audience.value))
    });
    for (name, audience) in audiences.iter().filter(|_| is_using_whole) {
        if !used.contains(name) {
            let place = audience.name.place.clone();
            let message = format!("no credential is for audience `{name}`");
            let help = "name it as the `audience` of a credential, or remove it";
            report.push(Diagnostic::warning(Lint::AudienceNotUsed, place, message).help(help));
        }
    }
}

fn scopes(credential: &DeclaredCredential, report: &mut Report) {
    let mut seen = BTreeMap::new();
    for scope in &credential.scopes {
        let text = scope.value.as_str();
        if let Some(first) = seen.insert(text, &scope.place) {
            let message = format!("scope `{text}` is listed twice");
            let doubt = Diagnostic::warning(Lint::RepeatedScope, scope.place.clone(), message);
            report.push(
                doubt
                    .help("remove one of the two")
                    .related(first.clone(), "first listed here"),
            );
        }
        let Some(blank) = &*BLANK else { continue };
        let filled = blank.replace_all(text, "$${params.$1$2$3$4}");
        if filled != text {
            let message =
                format!("nothing is filled in to the scope `{text}`: it is taken as it stands");
            let doubt = Diagnostic::warning(Lint::NotFilledIn, scope.place.clone(), message);
            report.push(
                doubt
                    .help(format!("write `{filled}`"))
                    .fix(scope.place.clone(), format!("\"{filled}\"")),
            );
        }
    }
}
