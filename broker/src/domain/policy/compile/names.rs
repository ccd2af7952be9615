//! Who is called what, and what a reference means.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::domain::policy::declared::{Located, Named};
use crate::domain::policy::diagnostic::Diagnostic;
use crate::domain::policy::read::is_every;
use crate::domain::policy::report::Report;
use crate::domain::policy::snapshot::ANY_ENVIRONMENT;
use crate::domain::policy::suggest::suggest;

/// Names that a remedy lists.
const MOST_LISTED: usize = 4;

/// Declarations of one kind by their names.
pub(super) type Names<'a, T> = BTreeMap<&'a str, &'a Named<T>>;

/// What has names of its own.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Task,
    Credential,
    Environment,
    Audience,
    Identity,
}

/// Sorts declarations by name; a name that is given twice is reported with both places.
pub(super) fn by_name<'a, T>(
    kind: Kind,
    declared: impl IntoIterator<Item = &'a Named<T>>,
    report: &mut Report,
) -> Names<'a, T> {
    let mut names: Names<'a, T> = BTreeMap::new();
    for named in declared {
        let Located { value: name, place } = &named.name;
        match names.get(&**name) {
            None => {
                names.insert(name, named);
            }
            Some(first) => report.push(
                Diagnostic::error(place.clone(), format!("{kind} `{name}` is declared twice"))
                    .help("keep one of them, or give one another name")
                    .related(first.name.place.clone(), "first declared here"),
            ),
        }
    }
    names
}

/// What a name refers to; reported when nothing has it.
pub(super) fn find<'a, T>(
    kind: Kind,
    reference: &Located<Arc<str>>,
    names: &Names<'a, T>,
    report: &mut Report,
) -> Option<&'a Named<T>> {
    let name = &*reference.value;
    let found = names.get(name).copied();
    // It may stand in the part that could not be read.
    if found.is_none() && !report.is_partial() {
        let message = format!("there is no {kind} `{name}`");
        let finding = Diagnostic::error(reference.place.clone(), message);
        let is_every = matches!(kind, Kind::Environment) && is_every(name);
        let meant = did_you_mean(name, names.keys().copied(), report);
        report.push(match is_every.then_some(ANY_ENVIRONMENT).or(meant) {
            Some(meant) => finding.meant(reference.place.clone(), meant),
            None => finding.help(match known(names) {
                Some(known) => format!("use {known}, or declare `[{kind}.{name}]`"),
                None => format!("declare `[{kind}.{name}]`"),
            }),
        });
    }
    found
}

/// What there is, where that is little.
fn known<T>(names: &Names<'_, T>) -> Option<String> {
    let listed: Vec<_> = names.keys().map(|name| format!("`{name}`")).collect();
    (1..=MOST_LISTED)
        .contains(&listed.len())
        .then(|| listed.join(" or "))
}

/// A remedy that names what was likely meant.
pub(super) fn did_you_mean<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
    report: &Report,
) -> Option<&'a str> {
    // What is only counted need not be explained.
    if report.is_full() {
        return None;
    }
    suggest(name, candidates)
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Task => "task",
            Self::Credential => "credential",
            Self::Environment => "environment",
            Self::Audience => "audience",
            Self::Identity => "identity",
        })
    }
}
