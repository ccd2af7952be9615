//! What changes in effect from one policy to another. Files that were renamed, reordered or commented make no
//! difference, and neither do grants that were split or joined.
//!
//! - [`diff`]: [`Policy`] × [`Policy`] → [`Difference`]
//! - `effect`: what one workload is given for one task; `limits`: lifetimes and open jobs, under conditions
//! - `tasks`, `credentials`, `parameters`, `workloads`, `guardrails`, `installation`: what each kind of change
//!   looks like
//! - `declared`: what is written, where not everything could be looked at

mod change;
mod credentials;
mod declared;
mod effect;
mod guardrails;
mod installation;
mod limits;
mod parameters;
mod tasks;
#[cfg(test)]
mod tests;
mod workloads;

use std::collections::BTreeSet;

use serde::Serialize;

use self::tasks::Compared;
use super::super::{Installation, Policy};

pub use change::{Change, Direction, Kind};

/// Everything that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The changes; by task, then by what is widened.
    pub changes: Vec<Change>,
    /// What has so many overlapping patterns that some combination of them may have been passed over: a task,
    /// `environments`, `identities`, `verifiers`. What is written otherwise there is among the changes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub partial: Vec<String>,
}

/// A policy with the facts it was compiled with.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// The snapshot.
    pub policy: &'a Policy,
    /// The facts.
    pub installation: &'a Installation,
}

/// Compares two policies by what they do.
pub fn diff(old: Side<'_>, new: Side<'_>) -> Difference {
    let mut changes = installation::changes(old.installation, new.installation);
    let mut partial = Vec::new();
    let (old, new) = (old.policy, new.policy);
    let environments = workloads::patterns(&old.environments, &new.environments);
    let of_workloads = [
        (
            "environments",
            workloads::environments(old, new, &environments),
        ),
        ("identities", workloads::identities(old, new)),
        ("verifiers", workloads::verifiers(old, new)),
    ];
    for (what, found) in of_workloads {
        changes.extend(found.changes);
        if found.is_partial {
            partial.push(what.to_owned());
            changes.extend(declared::of_workloads(what, old, new));
        }
    }
    changes.extend(guardrails::changes(old, new));
    let compared = Compared {
        old,
        new,
        environments: &environments,
    };
    let names: BTreeSet<_> = old.tasks.keys().chain(new.tasks.keys()).collect();
    for name in names {
        let (found, is_partial) = compared.task(name);
        changes.extend(found);
        if is_partial {
            partial.push(format!("task {name}"));
        }
    }
    changes.sort_by(|a, b| (&a.task, a.direction, a).cmp(&(&b.task, b.direction, b)));
    Difference { changes, partial }
}

impl Difference {
    /// Whether nothing changes. Where not everything could be looked at, that is not known.
    pub fn is_none(&self) -> bool {
        self.changes.is_empty() && self.partial.is_empty()
    }

    /// How many changes go in a direction.
    pub fn count(&self, direction: Direction) -> usize {
        self.changes
            .iter()
            .filter(|change| change.direction == direction)
            .count()
    }
}
