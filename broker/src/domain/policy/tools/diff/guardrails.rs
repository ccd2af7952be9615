//! What changes in what is forbidden to everybody.

use std::collections::BTreeMap;

use super::change::{Change, Direction, Kind};
use crate::domain::policy::Policy;
use crate::domain::policy::guardrail::{Guardrail, Scope};

/// Guardrails are told apart by their rules: a name, a place or a comment forbids nothing. Of those that are
/// only on one side, two of the same name are one that was changed.
pub(super) fn changes(old: &Policy, new: &Policy) -> Vec<Change> {
    let (mut before, mut after) = (by_text(old), by_text(new));
    let common: Vec<String> = before
        .keys()
        .filter(|text| after.contains_key(*text))
        .cloned()
        .collect();
    for text in &common {
        before.remove(text);
        after.remove(text);
    }
    let mut changes = Vec::new();
    for (text, guardrail) in before {
        let changed = after
            .iter()
            .find(|(_, other)| other.name == guardrail.name)
            .map(|(text, other)| (text.clone(), *other));
        changes.push(match changed {
            Some((new, other)) => {
                after.remove(&new);
                let change = Change::new(Direction::Changed, Kind::Guardrail);
                let change = change.named(&guardrail.name).between(Some(text), Some(new));
                if guardrail.scope == other.scope {
                    concerning(change, &guardrail.scope)
                } else {
                    change
                }
            }
            None => one(Direction::Widened, guardrail).between(Some(text), None),
        });
    }
    let added = after.into_iter();
    changes
        .extend(added.map(|(text, guardrail)| {
            one(Direction::Narrowed, guardrail).between(None, Some(text))
        }));
    changes
}

fn one(direction: Direction, guardrail: &Guardrail) -> Change {
    let change = Change::new(direction, Kind::Guardrail).named(&guardrail.name);
    concerning(change, &guardrail.scope)
}

/// The change for whom the head of the rule names.
fn concerning(change: Change, scope: &Scope) -> Change {
    match scope {
        Scope::All => change,
        Scope::Task(task) => Change {
            task: Some(task.clone()),
            ..change
        },
        Scope::Workload(id) => Change {
            workloads: vec![id.to_string()],
            ..change
        },
    }
}

fn by_text(policy: &Policy) -> BTreeMap<String, &Guardrail> {
    let guardrails = policy.guardrails().iter();
    guardrails
        .map(|guardrail| (guardrail.canonical(), guardrail))
        .collect()
}
