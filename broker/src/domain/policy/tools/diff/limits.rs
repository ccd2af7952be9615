//! Limits under conditions: how long a credential lives, and how many jobs may be open.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::change::{Change, Direction, Kind};
use crate::domain::policy::duration::show_duration;

/// The condition of a grant as it is written; none where it always holds.
pub(super) type Condition = Option<String>;

/// A limit for each condition; where several hold, the lowest.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Limits<T>(BTreeMap<Condition, T>);

impl<T: Ord + Copy> Limits<T> {
    pub(super) fn limit(&mut self, condition: Condition, limit: T) {
        self.0
            .entry(condition)
            .and_modify(|known| *known = limit.min(*known))
            .or_insert(limit);
    }

    /// Drops what never limits: a condition's limit that is not below the one that always holds.
    pub(super) fn simplify(&mut self) {
        if let Some(always) = self.0.get(&None).copied() {
            self.0
                .retain(|condition, limit| condition.is_none() || *limit < always);
        }
    }

    /// Every limit with its condition.
    pub(super) fn summary(&self, show: impl Fn(T) -> String) -> String {
        let one = |(condition, limit): (&Condition, &T)| told(condition, show(*limit));
        self.0.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    /// The limits, whatever their conditions are.
    pub(super) fn values(&self) -> BTreeSet<T> {
        self.0.values().copied().collect()
    }

    fn has_always(&self) -> bool {
        self.0.contains_key(&None)
    }

    /// The limits under conditions that the other has not.
    fn left_over(&self, other: &Self) -> Vec<(&Condition, T)> {
        self.0
            .iter()
            .filter(|(condition, _)| !other.0.contains_key(condition))
            .map(|(condition, limit)| (condition, *limit))
            .collect()
    }

    /// The conditions that both have, with both limits.
    fn common<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = (&'a Condition, T, T)> {
        self.0
            .iter()
            .filter_map(|(condition, limit)| Some((condition, *limit, *other.0.get(condition)?)))
    }
}

impl<T> Default for Limits<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

/// Conditions and the lifetimes under them: what has the same condition is compared; what is left over on each
/// side is a condition that was changed, where it is one on each side.
pub(super) fn lifetimes(old: &Limits<Duration>, new: &Limits<Duration>) -> Vec<Change> {
    let tell = |condition: &Condition, limit| told(condition, show_duration(limit));
    let lifetime = |before: (&Condition, _), after: (&Condition, _)| {
        let change = Change::new(direction_of(after.1 > before.1), Kind::Lifetime);
        let texts = (tell(before.0, before.1), tell(after.0, after.1));
        (before.1 != after.1).then(|| change.between(Some(texts.0), Some(texts.1)))
    };
    let common = old.common(new);
    let mut changes: Vec<Change> = common
        .filter_map(|(condition, before, after)| lifetime((condition, before), (condition, after)))
        .collect();
    let (gone, added) = (old.left_over(new), new.left_over(old));
    if let ([before], [after]) = (&gone[..], &added[..]) {
        changes.push(condition(before.0, after.0));
        changes.extend(lifetime(*before, *after));
        return changes;
    }
    // Beside what is given always, a condition only makes a lifetime shorter.
    let always = old.has_always() && new.has_always();
    let kind = if always {
        Kind::Lifetime
    } else {
        Kind::Condition
    };
    for (condition, limit) in gone {
        let gone = Change::new(direction_of(always), kind);
        changes.push(gone.between(Some(tell(condition, limit)), None));
    }
    for (condition, limit) in added {
        let added = Change::new(direction_of(!always), kind);
        changes.push(added.between(None, Some(tell(condition, limit))));
    }
    changes
}

/// How many jobs may be open, under the same conditions as a credential is given. That a condition changed is
/// told with its lifetime; here it counts where it changes a limit.
pub(super) fn live_jobs(old: &Limits<u32>, new: &Limits<u32>) -> Vec<Change> {
    let tell = |(condition, limit): (&Condition, u32)| Some(told(condition, limit.to_string()));
    let changed = |direction| Change::new(direction, Kind::LiveJobs);
    let limit = |before: (&Condition, u32), after: (&Condition, u32)| {
        let change = changed(direction_of(after.1 > before.1));
        (before.1 != after.1).then(|| change.between(tell(before), tell(after)))
    };
    let common = old.common(new);
    let mut changes: Vec<Change> = common
        .filter_map(|(condition, before, after)| limit((condition, before), (condition, after)))
        .collect();
    let (gone, added) = (old.left_over(new), new.left_over(old));
    // Beside a limit that always holds, those under conditions only lower it.
    let always = old.has_always() && new.has_always();
    match (&gone[..], &added[..]) {
        ([before], [after]) if always => {
            let change = changed(Direction::Changed);
            changes.push(change.between(tell(*before), tell(*after)));
        }
        ([before], [after]) => changes.extend(limit(*before, *after)),
        _ if always => {
            let gone = gone.into_iter().map(tell);
            changes.extend(gone.map(|text| changed(Direction::Widened).between(text, None)));
            let added = added.into_iter().map(tell);
            changes.extend(added.map(|text| changed(Direction::Narrowed).between(None, text)));
        }
        ([], []) => {}
        // Which one took the place of which cannot be told, and matters only where limits differ.
        _ if old.values().union(&new.values()).count() > 1 => {
            let text = |limits: &Limits<u32>| Some(limits.summary(|limit| limit.to_string()));
            changes.push(changed(Direction::Changed).between(text(old), text(new)));
        }
        _ => {}
    }
    changes
}

fn condition(old: &Condition, new: &Condition) -> Change {
    let direction = match (old, new) {
        (None, _) => Direction::Narrowed,
        (Some(_), None) => Direction::Widened,
        (Some(_), Some(_)) => Direction::Changed,
    };
    let text = |condition: &Condition| condition.clone().unwrap_or_else(|| "always".to_owned());
    Change::new(direction, Kind::Condition).between(Some(text(old)), Some(text(new)))
}

pub(super) fn direction_of(is_more: bool) -> Direction {
    if is_more {
        Direction::Widened
    } else {
        Direction::Narrowed
    }
}

fn told(condition: &Condition, limit: String) -> String {
    match condition {
        None => limit,
        Some(condition) => format!("{limit} {condition}"),
    }
}
