//! What is said of workloads: environments, identities, verifiers.

use std::collections::HashMap;
use std::sync::Arc;

use super::names::Names;
use super::short;
use crate::domain::policy::declared::{DeclaredAudience, DeclaredIdentity, Located, Named};
use crate::domain::policy::diagnostic::Diagnostic;
use crate::domain::policy::installation::Installation;
use crate::domain::policy::pattern::WorkloadPattern;
use crate::domain::policy::report::Report;
use crate::domain::policy::snapshot::{ANY_ENVIRONMENT, Audience, DeclaredEnvironment, Identity};
use crate::domain::policy::source::Place;
use crate::domain::policy::workload_index::WorkloadIndex;

/// Verifiers by audience, and audiences by verifier.
type Verifiers = (
    HashMap<Arc<str>, WorkloadIndex<()>>,
    WorkloadIndex<Arc<str>>,
);

pub(super) fn environments(
    declared: &Names<'_, Vec<Located<WorkloadPattern>>>,
    report: &mut Report,
) -> WorkloadIndex<Arc<str>> {
    let mut index = WorkloadIndex::new();
    for named in declared.values() {
        let Located { value: name, place } = &named.name;
        if **name == *ANY_ENVIRONMENT {
            let message = "`any` means every environment, and is not declared";
            let help = "give the environment another name";
            report.push(Diagnostic::error(place.clone(), message).help(help));
        }
        for pattern in &named.body {
            index.insert(&pattern.value, name.clone());
        }
    }
    index
}

/// Environments as policy declares them, by name.
pub(super) fn declared_environments(
    declared: &Names<'_, Vec<Located<WorkloadPattern>>>,
) -> Vec<DeclaredEnvironment> {
    let environment = |named: &&Named<Vec<Located<WorkloadPattern>>>| DeclaredEnvironment {
        name: named.name.value.clone(),
        place: short(&named.name.place),
        workloads: named
            .body
            .iter()
            .map(|pattern| pattern.value.clone())
            .collect(),
    };
    declared.values().map(environment).collect()
}

/// Audiences as policy declares them, by name.
pub(super) fn declared_audiences(declared: &Names<'_, DeclaredAudience>) -> Vec<Audience> {
    let audience = |named: &&Named<DeclaredAudience>| {
        Some(Audience {
            name: named.name.value.clone(),
            place: short(&named.name.place),
            uri: named.body.uri.as_ref()?.value.clone(),
            verifiers: named
                .body
                .verifiers
                .iter()
                .map(|pattern| pattern.value.clone())
                .collect(),
        })
    };
    declared.values().filter_map(audience).collect()
}

pub(super) fn identities(
    declared: &Names<'_, DeclaredIdentity>,
    report: &mut Report,
) -> WorkloadIndex<Arc<Identity>> {
    let mut index = WorkloadIndex::new();
    let mut seen: HashMap<&WorkloadPattern, &Place> = HashMap::new();
    for named in declared.values() {
        let body = &named.body;
        let (Some(kind), Some(owner)) = (body.kind, body.owner.clone()) else {
            continue;
        };
        let identity = Arc::new(Identity {
            name: named.name.value.clone(),
            kind,
            owner,
            tools: body.tools.clone(),
        });
        for pattern in &body.workloads {
            if let Some(first) = seen.insert(&pattern.value, &pattern.place) {
                let message = format!("two identities have the workload `{}`", pattern.value);
                let twice = Diagnostic::error(pattern.place.clone(), message)
                    .help("keep one of them, or make one pattern more specific: it goes first")
                    .related(first.clone(), "first written here");
                report.push(twice);
            }
            index.insert(&pattern.value, identity.clone());
        }
    }
    index
}

pub(super) fn verifiers(
    declared: &Names<'_, DeclaredAudience>,
    installation: &Installation,
    report: &mut Report,
) -> Verifiers {
    let mut by_audience: HashMap<Arc<str>, WorkloadIndex<()>> = HashMap::new();
    let mut by_workload = WorkloadIndex::new();
    let mut seen: HashMap<String, &Place> = HashMap::new();
    let forbidden: Vec<_> = installation
        .forbidden_audiences
        .iter()
        .map(|uri| comparable(uri))
        .collect();
    for named in declared.values() {
        let Some(Located { value: uri, place }) = &named.body.uri else {
            continue;
        };
        if forbidden.contains(&comparable(uri)) {
            let message = format!("the installation forbids the audience `{uri}`");
            let help = "remove the audience, or take it out of `forbidden_audiences` in the installation file";
            report.push(Diagnostic::error(place.clone(), message).help(help));
        }
        if let Some(first) = seen.insert(comparable(uri), place) {
            let message =
                format!("two audiences have the URI `{uri}`, or one that servers take for it");
            let twice = Diagnostic::error(place.clone(), message)
                .help("keep one of them, with the verifiers of both")
                .related(first.clone(), "first written here");
            report.push(twice);
        }
        let index = by_audience.entry(uri.clone()).or_default();
        for verifier in &named.body.verifiers {
            index.insert(&verifier.value, ());
            by_workload.insert(&verifier.value, uri.clone());
        }
    }
    (by_audience, by_workload)
}

/// A URI without what servers commonly ignore: forbidding one spelling forbids all of them.
fn comparable(uri: &str) -> String {
    uri.trim_end_matches('/').to_ascii_lowercase()
}
