//! What changes in what is said of workloads: environments, identities, verifiers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use taskpass_identity::SpiffeId;

use super::change::{Change, Direction, Kind};
use crate::domain::policy::pattern::WorkloadPattern;
use crate::domain::policy::snapshot::{Identity, Policy};
use crate::domain::policy::tools::classes::{Class, Classes};
use crate::domain::policy::workload_index::WorkloadIndex;

/// Changes, and whether there were too many classes of workloads to find all.
#[derive(Default)]
pub(super) struct Found {
    pub(super) changes: Vec<Change>,
    pub(super) is_partial: bool,
}

/// The patterns of both indexes.
pub(super) fn patterns<T>(old: &WorkloadIndex<T>, new: &WorkloadIndex<T>) -> Vec<WorkloadPattern> {
    let mut patterns = old.patterns();
    patterns.extend(new.patterns());
    patterns
}

pub(super) fn environments(old: &Policy, new: &Policy, patterns: &[WorkloadPattern]) -> Found {
    let change = |workload: &SpiffeId| {
        let (before, after) = (old.environment(workload), new.environment(workload));
        let change = Change::new(Direction::Changed, Kind::Environment);
        (before != after).then(|| change.between(Some(before.to_string()), Some(after.to_string())))
    };
    by_class(patterns, change)
}

pub(super) fn identities(old: &Policy, new: &Policy) -> Found {
    let change = |workload: &SpiffeId| {
        let (before, after) = (old.identity(workload), new.identity(workload));
        let change = Change::new(Direction::Changed, Kind::Identity);
        (before != after).then(|| change.between(before.map(identity), after.map(identity)))
    };
    by_class(&patterns(&old.identities, &new.identities), change)
}

/// An identity in words. Owners and tools are quoted: what they are called may read like the words around.
pub(super) fn identity(identity: &Identity) -> String {
    let tools: Vec<_> = identity
        .tools
        .iter()
        .map(|tool| format!("{tool:?}"))
        .collect();
    let tools = match tools.join(", ") {
        none if none.is_empty() => none,
        tools => format!(", tools {tools}"),
    };
    let kind = identity.kind.as_str();
    format!("{} ({kind} of {:?}{tools})", identity.name, identity.owner)
}

pub(super) fn verifiers(old: &Policy, new: &Policy) -> Found {
    let uris: BTreeSet<&Arc<str>> = old.verifiers.keys().chain(new.verifiers.keys()).collect();
    let empty = WorkloadIndex::new();
    let mut found = Found::default();
    for uri in uris {
        let of = |policy: &'_ Policy, workload: &SpiffeId| policy.may_verify(workload, uri);
        let change = |workload: &SpiffeId| {
            let (direction, old, new) = match (of(old, workload), of(new, workload)) {
                (false, true) => (Direction::Widened, None, Some("a verifier".to_owned())),
                (true, false) => (Direction::Narrowed, Some("a verifier".to_owned()), None),
                (true, true) | (false, false) => return None,
            };
            let change = Change::new(direction, Kind::Verifier).named(uri);
            Some(change.between(old, new))
        };
        let all = patterns(
            old.verifiers.get(uri).unwrap_or(&empty),
            new.verifiers.get(uri).unwrap_or(&empty),
        );
        let of_one = by_class(&all, change);
        found.changes.extend(of_one.changes);
        found.is_partial |= of_one.is_partial;
    }
    found
}

/// The changes that one workload of each class sees, each with all workloads that see it.
fn by_class(patterns: &[WorkloadPattern], change: impl Fn(&SpiffeId) -> Option<Change>) -> Found {
    let classes = Classes::new(patterns, |_| true);
    let mut grouped: BTreeMap<Change, Vec<&Class>> = BTreeMap::new();
    for class in classes.iter() {
        if let Some(change) = change(&class.example) {
            grouped.entry(change).or_default().push(class);
        }
    }
    let described = |(change, concerned): (Change, Vec<&Class>)| Change {
        workloads: classes.describe(&concerned),
        ..change
    };
    Found {
        changes: grouped.into_iter().map(described).collect(),
        is_partial: classes.is_partial,
    }
}
