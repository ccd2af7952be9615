//! What changes in what is forbidden to everybody.

use std::collections::{BTreeMap, BTreeSet};

use super::change::{Change, Direction, Kind};
use crate::domain::policy::Policy;

/// Guardrails are told apart by their rules: a name, a place or a comment forbids nothing.
pub(super) fn changes(old: &Policy, new: &Policy) -> Vec<Change> {
    let (before, after) = (by_text(old), by_text(new));
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let change = |text: &String| {
        let (direction, old, new, name) = match (before.get(text), after.get(text)) {
            (None, Some(name)) => (Direction::Narrowed, None, Some(text.clone()), name),
            (Some(name), None) => (Direction::Widened, Some(text.clone()), None, name),
            (Some(_), Some(_)) | (None, None) => return None,
        };
        Some(
            Change::new(direction, Kind::Guardrail)
                .named(name)
                .between(old, new),
        )
    };
    names.into_iter().filter_map(change).collect()
}

fn by_text(policy: &Policy) -> BTreeMap<String, String> {
    let one = |guardrail: &crate::domain::policy::Guardrail| {
        (guardrail.canonical(), guardrail.name.to_string())
    };
    policy.guardrails().iter().map(one).collect()
}
