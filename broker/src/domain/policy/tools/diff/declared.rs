//! What is written of workload patterns, compared line by line. It stands in for effects where patterns overlap
//! so often that not every combination could be looked at.

use std::collections::BTreeSet;

use super::change::{Change, Direction, Kind};
use super::effect::Given;
use super::workloads;
use crate::domain::policy::snapshot::{GrantMode, Policy, Task};

/// A pattern, and something that is written of it.
type Line = (String, String);

/// What grants of a task give to each pattern.
pub(super) fn grants(
    (old_policy, old): (&Policy, Option<&Task>),
    (new_policy, new): (&Policy, Option<&Task>),
) -> Vec<Change> {
    changes(&given(old_policy, old), &given(new_policy, new))
}

/// Environments, identities or verifiers.
pub(super) fn of_workloads(what: &str, old: &Policy, new: &Policy) -> Vec<Change> {
    let lines = match what {
        "environments" => environments,
        "identities" => identities,
        _ => verifiers,
    };
    changes(&lines(old), &lines(new))
}

fn changes(old: &BTreeSet<Line>, new: &BTreeSet<Line>) -> Vec<Change> {
    let change =
        |(pattern, _): &Line| Change::new(Direction::Changed, Kind::Declared).named(pattern);
    let added = new.difference(old);
    let added = added.map(|line| change(line).between(None, Some(line.1.clone())));
    let removed = old.difference(new);
    let removed = removed.map(|line| change(line).between(Some(line.1.clone()), None));
    added.chain(removed).collect()
}

fn given(policy: &Policy, task: Option<&Task>) -> BTreeSet<Line> {
    let mut lines = BTreeSet::new();
    let Some(task) = task else { return lines };
    for grant in &task.grants {
        for credential in &grant.credentials {
            let given = Given::by(policy, task, grant, credential).whole();
            let mode = match grant.mode {
                GrantMode::Enforce => "",
                GrantMode::Audit => " in audit mode",
            };
            let text = format!("credential {}{mode} ({given})", credential.name);
            let patterns = grant.workloads.iter().map(ToString::to_string);
            lines.extend(patterns.map(|pattern| (pattern, text.clone())));
        }
    }
    lines
}

fn environments(policy: &Policy) -> BTreeSet<Line> {
    let of_one = policy.declared_environments.iter().flat_map(|one| {
        let text = format!("environment {}", one.name);
        let patterns = one.workloads.iter().map(ToString::to_string);
        patterns.map(move |pattern| (pattern, text.clone()))
    });
    of_one.collect()
}

fn identities(policy: &Policy) -> BTreeSet<Line> {
    let of_one = policy.identities.entries().flat_map(|(pattern, all)| {
        let text = |one| format!("identity {}", workloads::identity(one));
        all.iter()
            .map(move |one| (pattern.to_string(), text(one)))
            .collect::<Vec<_>>()
    });
    of_one.collect()
}

fn verifiers(policy: &Policy) -> BTreeSet<Line> {
    let of_one = policy.verifiers.iter().flat_map(|(uri, index)| {
        let text = format!("a verifier for {uri}");
        let patterns = index.patterns().into_iter();
        patterns.map(move |pattern| (pattern.to_string(), text.clone()))
    });
    of_one.collect()
}
