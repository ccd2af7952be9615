//! Tasks with their grants, indexed by workload.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::credentials::{Credentials, check_ceiling};
use super::names::{Kind, Names, find};
use super::short;
use super::templates::check_templates;
use crate::domain::policy::decision::GrantId;
use crate::domain::policy::declared::{DeclaredCredential, DeclaredGrant, DeclaredTask, Named};
use crate::domain::policy::installation::Installation;
use crate::domain::policy::report::Report;
use crate::domain::policy::snapshot::{Grant, Task};
use crate::domain::policy::workload_index::WorkloadIndex;

/// Declared credentials, and those that were built from them.
type Linked<'a> = (&'a Names<'a, DeclaredCredential>, &'a Credentials<'a>);

pub(super) fn tasks(
    declared: &Names<'_, DeclaredTask>,
    credentials: Linked<'_>,
    installation: &Installation,
    report: &mut Report,
) -> HashMap<Arc<str>, Task> {
    let mut tasks = HashMap::with_capacity(declared.len());
    for named in declared.values() {
        let built = task(named, credentials, installation, report);
        tasks.insert(named.name.value.clone(), built);
    }
    tasks
}

fn task(
    named: &Named<DeclaredTask>,
    credentials: Linked<'_>,
    installation: &Installation,
    report: &mut Report,
) -> Task {
    let body = &named.body;
    if let Some(duration) = &body.max_duration {
        let keys = ("max_duration", "max_duration");
        check_ceiling(duration, keys, installation.max_duration, report);
    }
    let mut granted = BTreeMap::new();
    let mut grants = Vec::with_capacity(body.grants.len());
    let mut by_workload = WorkloadIndex::new();
    for (position, declared) in body.grants.iter().enumerate() {
        for workload in &declared.workloads {
            by_workload.insert(&workload.value, position);
        }
        for reference in &declared.credentials {
            if let Some(found) = find(Kind::Credential, reference, credentials.0, report) {
                granted
                    .entry(&*found.name.value)
                    .or_insert((found, &reference.place));
            }
        }
        let id = GrantId {
            task: named.name.value.clone(),
            number: u32::try_from(position + 1).unwrap_or(u32::MAX),
        };
        grants.push(grant(id, declared, credentials.1));
    }
    for (credential, granted_at) in granted.into_values() {
        check_templates(named, credential, granted_at, report);
    }
    let parameters = body.parameters.iter();
    Task {
        parameters: parameters
            .filter_map(|(name, declared)| Some((name.clone(), declared.as_ref()?.value.clone())))
            .collect(),
        max_duration: body
            .max_duration
            .as_ref()
            .map_or(installation.max_duration, |duration| duration.value),
        grants,
        by_workload,
    }
}

fn grant(id: GrantId, declared: &DeclaredGrant, credentials: &Credentials<'_>) -> Grant {
    let names = declared.credentials.iter();
    Grant {
        id,
        place: short(&declared.place),
        workloads: declared
            .workloads
            .iter()
            .map(|workload| workload.value.clone())
            .collect(),
        credentials: names
            .filter_map(|name| credentials.get(&*name.value).cloned())
            .collect(),
        max_ttl: declared.max_ttl.as_ref().map(|ttl| ttl.value),
        max_live_jobs: declared.max_live_jobs,
    }
}
