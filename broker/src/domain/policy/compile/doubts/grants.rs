//! Grants that let nobody in, or that another one makes needless.

use std::collections::BTreeSet;

use crate::domain::policy::compile::environment_tree::{EnvironmentTree, Environments, meant};
use crate::domain::policy::compile::names::Names;
use crate::domain::policy::compile::pattern_tree::PatternTree;
use crate::domain::policy::declared::{
    DeclaredCredential, DeclaredGrant, DeclaredTask, Located, Named,
};
use crate::domain::policy::diagnostic::Diagnostic;
use crate::domain::policy::duration::show_duration;
use crate::domain::policy::lint::Lint;
use crate::domain::policy::pattern::WorkloadPattern;
use crate::domain::policy::report::Report;
use crate::domain::policy::snapshot::{ANY_ENVIRONMENT, GrantMode};

/// What grants are looked at with.
pub(super) struct Grants<'a> {
    pub(super) credentials: &'a Names<'a, DeclaredCredential>,
    pub(super) declared: &'a Environments<'a>,
    pub(super) environments: &'a EnvironmentTree<'a>,
}

impl Grants<'_> {
    /// Looks at every grant of a task.
    pub(super) fn look_at(&self, task: &Named<DeclaredTask>, report: &mut Report) {
        let grants = &task.body.grants;
        let mut tree = PatternTree::new();
        for (position, grant) in grants.iter().enumerate() {
            for pattern in &grant.workloads {
                tree.insert(&pattern.value, position);
            }
        }
        for (position, grant) in grants.iter().enumerate() {
            wide(grant, report);
            repeated(grant, report);
            self.max_ttl(grant, report);
            if grant.is_whole
                && let Some(wider) = covering(grants, position, &tree)
            {
                covered(task, (position, grant), wider, report);
            }
            if grant.is_whole && !report.is_partial() {
                self.environments(grant, report);
            }
        }
    }

    /// A `max_ttl` that is no shorter than what the credentials have anyway.
    fn max_ttl(&self, grant: &DeclaredGrant, report: &mut Report) {
        let Some(max_ttl) = &grant.max_ttl else {
            return;
        };
        let longest = grant.credentials.iter().map(|name| {
            let credential = self.credentials.get(&*name.value)?;
            credential.body.ttl.as_ref().map(|ttl| ttl.value)
        });
        let Some(longest) = longest.collect::<Option<Vec<_>>>() else {
            return;
        };
        let Some(longest) = longest.into_iter().max() else {
            return;
        };
        if max_ttl.value >= longest {
            let message = format!(
                "`max_ttl` shortens nothing: no credential of the grant lives longer than {}",
                show_duration(longest)
            );
            let doubt = Diagnostic::warning(Lint::UnusedMaxTtl, max_ttl.place.clone(), message);
            let shorter = show_duration(longest);
            report.push(doubt.help(format!("remove it, or write less than `\"{shorter}\"`")));
        }
    }

    /// Workloads and credentials of environments that never meet.
    fn environments(&self, grant: &DeclaredGrant, report: &mut Report) {
        let mut wanted: Vec<(&Located<_>, &str)> = Vec::new();
        for name in &grant.credentials {
            let credential = self.credentials.get(&*name.value);
            let environment = credential.and_then(|found| found.body.environment.as_ref());
            let Some(environment) = environment else {
                return;
            };
            // What is wrong with it is told elsewhere.
            let is_declared = self
                .declared
                .get(&*environment.value)
                .is_some_and(|found| !found.body.is_empty());
            if !is_declared && *environment.value != *ANY_ENVIRONMENT {
                return;
            }
            wanted.push((name, &environment.value));
        }
        let mut met: BTreeSet<&str> = BTreeSet::new();
        let mut has_lost = false;
        for pattern in &grant.workloads {
            let found = self.environments.meeting(&pattern.value);
            let names: BTreeSet<_> = found.iter().map(|(name, _)| *name).collect();
            let gets = |name: &str| name == ANY_ENVIRONMENT || names.contains(name);
            if !wanted.iter().any(|(_, name)| gets(name)) {
                report.push(self.gets_nothing(pattern, &names, &wanted));
                has_lost = true;
            } else if names.is_empty()
                && let Some(doubt) = self.unlikely(pattern)
            {
                report.push(doubt);
            }
            met.extend(names);
        }
        if has_lost {
            return;
        }
        for (name, environment) in wanted {
            if environment != ANY_ENVIRONMENT && !met.contains(environment) {
                let message = format!(
                    "no workload of the grant gets credential `{}`: it is for environment `{environment}`, and they are in {}",
                    name.value,
                    listed(&met)
                );
                let doubt =
                    Diagnostic::warning(Lint::GrantGivesNothing, name.place.clone(), message);
                report.push(
                    doubt.help("remove it here, or grant it to workloads of its environment"),
                );
            }
        }
    }

    fn gets_nothing(
        &self,
        pattern: &Located<WorkloadPattern>,
        names: &BTreeSet<&str>,
        wanted: &[(&Located<std::sync::Arc<str>>, &str)],
    ) -> Diagnostic {
        let of: BTreeSet<_> = wanted.iter().map(|(_, name)| *name).collect();
        let message = format!(
            "these workloads get nothing: they are in {}, and the credentials of the grant are for {}",
            listed(names),
            listed(&of)
        );
        let doubt = Diagnostic::warning(Lint::GrantGivesNothing, pattern.place.clone(), message);
        if let Some(meant) = self.meant(&pattern.value) {
            return doubt.meant(pattern.place.clone(), &meant);
        }
        let first = of.first().copied().unwrap_or_default();
        doubt.help(format!(
            "name workloads of `[environment.{first}]`, or credentials of their own environment"
        ))
    }

    fn unlikely(&self, pattern: &Located<WorkloadPattern>) -> Option<Diagnostic> {
        let meant = self.meant(&pattern.value)?;
        let message = "these workloads are in no environment";
        let doubt = Diagnostic::warning(Lint::UnlikelyWorkload, pattern.place.clone(), message);
        Some(doubt.meant(pattern.place.clone(), &meant))
    }

    fn meant(&self, pattern: &WorkloadPattern) -> Option<String> {
        meant(pattern, self.environments)
    }
}

fn listed(names: &BTreeSet<&str>) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    if names.is_empty() {
        "no environment".to_owned()
    } else {
        names.join(" and ")
    }
}

/// A workload of a list that another one of it is for already.
fn repeated(grant: &DeclaredGrant, report: &mut Report) {
    if grant.workloads.len() < 2 {
        return;
    }
    let mut tree = PatternTree::new();
    for (position, pattern) in grant.workloads.iter().enumerate() {
        tree.insert(&pattern.value, position);
    }
    for (position, pattern) in grant.workloads.iter().enumerate() {
        let covering = tree.covering(&pattern.value).into_iter();
        // Of two that are the same, the later one is needless.
        let is_wider = |other: &usize| {
            let same = grant
                .workloads
                .get(*other)
                .is_some_and(|one| one.value == pattern.value);
            *other != position && (!same || *other < position)
        };
        let Some(wider) = covering
            .filter(is_wider)
            .min()
            .and_then(|at| grant.workloads.get(at))
        else {
            continue;
        };
        let message = format!("`{}` is for these workloads already", wider.value);
        let doubt = Diagnostic::warning(Lint::RepeatedWorkload, pattern.place.clone(), message);
        report.push(
            doubt
                .help("remove it")
                .related(wider.place.clone(), "it stands here"),
        );
    }
}

/// Every workload of a trust domain, or every one right below its root.
fn wide(grant: &DeclaredGrant, report: &mut Report) {
    for pattern in &grant.workloads {
        let what = if pattern.value.is_whole_trust_domain() {
            "every workload of the trust domain"
        } else if pattern.value.is_wild() {
            "workloads of the trust domain wherever their path leads"
        } else {
            continue;
        };
        let message = format!("the grant is for {what}");
        let help = "name the workloads by a path, for instance `/prod/ci/*`";
        report.push(
            Diagnostic::warning(Lint::WideWorkload, pattern.place.clone(), message).help(help),
        );
    }
}

/// Another grant of the task that lets in all that this one does, and hands out as much.
fn covering<'a>(
    grants: &'a [DeclaredGrant],
    position: usize,
    tree: &PatternTree<'_, usize>,
) -> Option<(usize, &'a DeclaredGrant)> {
    let grant = grants.get(position)?;
    let mut common: Option<BTreeSet<usize>> = None;
    for pattern in &grant.workloads {
        let wider: BTreeSet<_> = tree.covering(&pattern.value).into_iter().collect();
        common = Some(match common {
            Some(common) => common.intersection(&wider).copied().collect(),
            None => wider,
        });
    }
    let wider = common?.into_iter().filter(|other| *other != position);
    wider
        .filter_map(|other| Some((other, grants.get(other)?)))
        .find(|(other, wider)| {
            wider.is_whole && makes_needless(wider, grant)
            // Of two that say the same, the later one is needless.
            && (*other < position || !makes_needless(grant, wider) || !is_covered(wider, grant))
        })
}

/// Whether what one hands out under its conditions is no more than what the other hands out.
fn makes_needless(wider: &DeclaredGrant, grant: &DeclaredGrant) -> bool {
    let text = |condition: &Option<Located<std::sync::Arc<str>>>| {
        condition.as_ref().map(|text| text.value.clone())
    };
    let has_same_conditions =
        text(&wider.when) == text(&grant.when) && text(&wider.unless) == text(&grant.unless);
    let is_unconditional = wider.when.is_none() && wider.unless.is_none();
    let gives = |name: &str| wider.credentials.iter().any(|other| *other.value == *name);
    let has_shorter_ttl = match (&grant.max_ttl, &wider.max_ttl) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(own), Some(other)) => own.value < other.value,
    };
    // INVARIANT: of several grants the least lifetime and the least number count, so one that lowers them is
    // not needless.
    (has_same_conditions || is_unconditional)
        && (wider.mode == GrantMode::Enforce || grant.mode == wider.mode)
        && !has_shorter_ttl
        && grant.max_live_jobs >= wider.max_live_jobs
        && grant.credentials.iter().all(|name| gives(&name.value))
}

fn is_covered(grant: &DeclaredGrant, by: &DeclaredGrant) -> bool {
    let mut tree = PatternTree::new();
    for pattern in &by.workloads {
        tree.insert(&pattern.value, ());
    }
    grant
        .workloads
        .iter()
        .all(|pattern| !tree.covering(&pattern.value).is_empty())
}

fn covered(
    task: &Named<DeclaredTask>,
    (position, grant): (usize, &DeclaredGrant),
    (other, wider): (usize, &DeclaredGrant),
    report: &mut Report,
) {
    let (number, other) = (position + 1, other + 1);
    let message = format!(
        "grant {number} of task `{}` adds nothing: grant {other} lets in the same workloads, with no less",
        task.name.value
    );
    let doubt = Diagnostic::warning(Lint::CoveredGrant, grant.place.clone(), message)
        .related(wider.place.clone(), format!("grant {other}"));
    let is_conditional = grant.when.is_some() || grant.unless.is_some();
    let is_wider_unconditional = wider.when.is_none() && wider.unless.is_none();
    report.push(doubt.help(if is_conditional && is_wider_unconditional {
        format!("repeat the condition of grant {number} in grant {other}, or remove grant {number}")
    } else {
        format!("remove grant {number}, or narrow the `workload` of grant {other}")
    }));
}
