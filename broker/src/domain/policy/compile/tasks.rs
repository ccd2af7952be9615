//! Tasks with their grants, indexed by workload.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::conditions::{Conditions, shape_of};
use super::credentials::{Credentials, check_ceiling};
use super::names::{Kind, Names, find};
use super::short;
use super::templates::check_templates;
use crate::domain::policy::condition::Shape;
use crate::domain::policy::decision::GrantId;
use crate::domain::policy::declared::{
    DeclaredCredential, DeclaredGrant, DeclaredTask, Located, Named,
};
use crate::domain::policy::installation::Installation;
use crate::domain::policy::report::Report;
use crate::domain::policy::snapshot::{Grant, Task};
use crate::domain::policy::workload_index::WorkloadIndex;

/// What tasks are linked to.
pub(super) struct Builder<'a, 'c> {
    pub(super) credentials: &'a Names<'a, DeclaredCredential>,
    pub(super) built: &'a Credentials<'a>,
    pub(super) installation: &'a Installation,
    pub(super) conditions: &'a mut Conditions<'c>,
}

impl Builder<'_, '_> {
    pub(super) fn tasks(
        mut self,
        declared: &Names<'_, DeclaredTask>,
        report: &mut Report,
    ) -> HashMap<Arc<str>, Task> {
        let mut texts: BTreeMap<Shape, BTreeSet<Arc<str>>> = BTreeMap::new();
        for named in declared
            .values()
            .filter(|named| named.body.has_whole_parameters)
        {
            let grants = named.body.grants.iter();
            let mut conditions = grants
                .flat_map(|grant| grant.when.iter().chain(&grant.unless))
                .peekable();
            if conditions.peek().is_some() {
                let of_shape = texts.entry(shape_of(&named.body)).or_default();
                of_shape.extend(conditions.map(|text| text.value.clone()));
            }
        }
        for (shape, texts) in &texts {
            self.conditions.checker.check_all(shape, texts);
        }
        let mut tasks = HashMap::with_capacity(declared.len());
        for named in declared.values() {
            tasks.insert(named.name.value.clone(), self.task(named, report));
        }
        tasks
    }

    fn task(&mut self, named: &Named<DeclaredTask>, report: &mut Report) -> Task {
        let body = &named.body;
        if let Some(duration) = &body.max_duration {
            let keys = ("max_duration", "max_duration");
            check_ceiling(duration, keys, self.installation.max_duration, report);
        }
        let shape = shape_of(body);
        let mut granted = BTreeMap::new();
        let mut grants = Vec::with_capacity(body.grants.len());
        let mut by_workload = WorkloadIndex::new();
        for (position, declared) in body.grants.iter().enumerate() {
            for workload in &declared.workloads {
                by_workload.insert(&workload.value, position);
            }
            for reference in &declared.credentials {
                if let Some(found) = find(Kind::Credential, reference, self.credentials, report) {
                    granted
                        .entry(&*found.name.value)
                        .or_insert((found, &reference.place));
                }
            }
            let id = GrantId {
                task: named.name.value.clone(),
                number: u32::try_from(position + 1).unwrap_or(u32::MAX),
            };
            let [when, unless] = self.conditions.of_grant(&shape, (named, declared), report);
            grants.push(Grant {
                when,
                unless,
                ..grant(id, declared, self.built)
            });
        }
        for (credential, granted_at) in granted.into_values() {
            check_templates(named, credential, granted_at, report);
        }
        let parameters = body.parameters.iter();
        let text = |line: &Option<Located<Arc<str>>>| match line {
            Some(line) => line.value.clone(),
            // Its lack is an error, and no policy comes out.
            None => Arc::from(""),
        };
        Task {
            name: named.name.value.clone(),
            place: short(&named.name.place),
            owner: text(&body.owner),
            purpose: text(&body.purpose),
            parameters: parameters
                .filter_map(|(name, declared)| {
                    Some((name.clone(), declared.as_ref()?.value.clone()))
                })
                .collect(),
            max_duration: body
                .max_duration
                .as_ref()
                .map_or(self.installation.max_duration, |duration| duration.value),
            grants,
            by_workload,
        }
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
        mode: declared.mode,
        when: None,
        unless: None,
    }
}
