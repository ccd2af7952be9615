//! What changes for one task.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::change::{Change, Direction, Kind};
use super::effect::{Condition, Effect, Given, Limits};
use super::parameters;
use crate::domain::policy::duration::show_duration;
use crate::domain::policy::pattern::WorkloadPattern;
use crate::domain::policy::snapshot::{Policy, Task};
use crate::domain::policy::tools::classes::{Class, Classes};

/// The policies compared, and what both have in common for every task.
pub(super) struct Compared<'a> {
    pub(super) old: &'a Policy,
    pub(super) new: &'a Policy,
    /// The patterns of all environments, old and new.
    pub(super) environments: &'a [WorkloadPattern],
}

impl Compared<'_> {
    /// Lists what changes for a task. Says besides whether it could be looked at completely.
    pub(super) fn task(&self, name: &Arc<str>) -> (Vec<Change>, bool) {
        let (old, new) = (self.old.tasks.get(name), self.new.tasks.get(name));
        let granted: Vec<&WorkloadPattern> = [old, new]
            .into_iter()
            .flatten()
            .flat_map(|task| &task.grants)
            .flat_map(|grant| &grant.workloads)
            .collect();
        let all = granted.iter().copied().chain(self.environments);
        let classes = Classes::new(all, |pattern| granted.contains(&pattern));
        let mut grouped: BTreeMap<Change, Vec<&Class>> = BTreeMap::new();
        let mut is_given = (false, false);
        for class in classes.iter() {
            let before = Effect::of(self.old, old, &class.example);
            let after = Effect::of(self.new, new, &class.example);
            is_given.0 |= !before.is_nothing();
            is_given.1 |= !after.is_nothing();
            for change in effects(&before, &after)
                .into_iter()
                .chain(audited(&before, &after))
            {
                grouped.entry(change).or_default().push(class);
            }
        }
        let mut changes: Vec<Change> = grouped
            .into_iter()
            .map(|(change, concerned)| Change {
                workloads: classes.describe(&concerned),
                ..change
            })
            .collect();
        // Whoever could do nothing before, or can do nothing from now on, cares for nothing else.
        if let ((true, true), Some(old), Some(new)) = (is_given, old, new) {
            changes.extend(duration(old, new));
            changes.extend(parameters::changes(&old.parameters, &new.parameters));
        }
        for change in &mut changes {
            change.task = Some(name.clone());
        }
        (changes, classes.is_partial)
    }
}

fn effects(before: &Effect, after: &Effect) -> Vec<Change> {
    match (before.is_nothing(), after.is_nothing()) {
        (true, true) => return Vec::new(),
        (true, false) => {
            let gained = Change::new(Direction::Widened, Kind::Task);
            return vec![gained.between(None, Some(summary(after)))];
        }
        (false, true) => {
            let lost = Change::new(Direction::Narrowed, Kind::Task);
            return vec![lost.between(Some(summary(before)), None)];
        }
        (false, false) => {}
    }
    let mut changes = Vec::new();
    for (name, given) in &before.credentials {
        match after.credentials.get(name) {
            Some(now) => changes.extend(credential(given, now).map(|change| change.named(name))),
            None => changes.push(
                Change::new(Direction::Narrowed, Kind::Credential)
                    .named(name)
                    .between(Some(given.summary()), None),
            ),
        }
    }
    for (name, given) in &after.credentials {
        if !before.credentials.contains_key(name) {
            let gained = Change::new(Direction::Widened, Kind::Credential).named(name);
            changes.push(gained.between(None, Some(given.summary())));
        }
    }
    changes.extend(live_jobs(&before.live_jobs, &after.live_jobs));
    changes
}

/// What is tried out in audit mode, and gives nothing.
fn audited(before: &Effect, after: &Effect) -> Vec<Change> {
    let change =
        |(name, _): &(Arc<str>, String)| Change::new(Direction::Changed, Kind::Audited).named(name);
    let added = after.audited.difference(&before.audited);
    let added = added.map(|one| change(one).between(None, Some(one.1.clone())));
    let removed = before.audited.difference(&after.audited);
    let removed = removed.map(|one| change(one).between(Some(one.1.clone()), None));
    added.chain(removed).collect()
}

fn credential(old: &Given, new: &Given) -> impl Iterator<Item = Change> {
    let plain = |kind, old: &Arc<str>, new: &Arc<str>| {
        let change = Change::new(Direction::Changed, kind);
        (old != new).then(|| change.between(Some(old.to_string()), Some(new.to_string())))
    };
    let gained = new.scopes.difference(&old.scopes).map(|scope| {
        Change::new(Direction::Widened, Kind::Scope).between(None, Some(scope.clone()))
    });
    let lost = old.scopes.difference(&new.scopes).map(|scope| {
        Change::new(Direction::Narrowed, Kind::Scope).between(Some(scope.clone()), None)
    });
    let mut changes: Vec<Change> = gained.chain(lost).collect();
    changes.extend(plain(Kind::Issuer, &old.issuer, &new.issuer));
    changes.extend(plain(Kind::Audience, &old.audience, &new.audience));
    let kind = Kind::CredentialEnvironment;
    changes.extend(plain(kind, &old.environment, &new.environment));
    changes.extend(forms(&old.form, &new.form));
    changes.extend(lifetimes(&old.lifetimes, &new.lifetimes));
    changes.into_iter()
}

/// What tokens look like.
fn forms(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<Change> {
    let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let change = |name: &String| {
        let text = |form: &BTreeMap<String, String>| {
            let value = form.get(name)?;
            Some(format!("{name} {value}"))
        };
        let (before, after) = (text(old), text(new));
        let change = Change::new(Direction::Changed, Kind::Form);
        (before != after).then(|| change.between(before, after))
    };
    names.into_iter().filter_map(change).collect()
}

/// Conditions and the lifetimes under them: what has the same condition is compared; what is left over on each
/// side is a condition that was changed, where it is one on each side.
fn lifetimes(old: &Limits<Duration>, new: &Limits<Duration>) -> Vec<Change> {
    let mut changes = Vec::new();
    for (condition, before) in &old.0 {
        if let Some(after) = new.0.get(condition) {
            changes.extend(lifetime((condition, *before), (condition, *after)));
        }
    }
    let gone: Vec<_> = left_over(old, new);
    let added: Vec<_> = left_over(new, old);
    if let ([before], [after]) = (&gone[..], &added[..]) {
        changes.push(condition(before.0, after.0));
        changes.extend(lifetime((before.0, *before.1), (after.0, *after.1)));
        return changes;
    }
    // Beside what is given always, a condition only makes a lifetime shorter.
    let always = old.0.contains_key(&None) && new.0.contains_key(&None);
    let kind = if always {
        Kind::Lifetime
    } else {
        Kind::Condition
    };
    for (condition, limit) in gone {
        let direction = direction_of(always);
        let text = told(condition, *limit);
        changes.push(Change::new(direction, kind).between(Some(text), None));
    }
    for (condition, limit) in added {
        let direction = direction_of(!always);
        let text = told(condition, *limit);
        changes.push(Change::new(direction, kind).between(None, Some(text)));
    }
    changes
}

fn direction_of(is_more: bool) -> Direction {
    if is_more {
        Direction::Widened
    } else {
        Direction::Narrowed
    }
}

fn left_over<'a>(
    of: &'a Limits<Duration>,
    without: &Limits<Duration>,
) -> Vec<(&'a Condition, &'a Duration)> {
    of.0.iter()
        .filter(|(condition, _)| !without.0.contains_key(condition))
        .collect()
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

fn lifetime(
    (condition, old): (&Condition, Duration),
    (after, new): (&Condition, Duration),
) -> Option<Change> {
    let change = Change::new(direction_of(new > old), Kind::Lifetime);
    let (old_text, new_text) = (told(condition, old), told(after, new));
    (old != new).then(|| change.between(Some(old_text), Some(new_text)))
}

fn told(condition: &Condition, lifetime: Duration) -> String {
    match condition {
        None => show_duration(lifetime),
        Some(condition) => format!("{} {condition}", show_duration(lifetime)),
    }
}

/// A condition that was changed is told with its credentials; here only the numbers count.
fn live_jobs(old: &Limits<u32>, new: &Limits<u32>) -> Option<Change> {
    let numbers = |limits: &Limits<u32>| {
        let mut numbers: Vec<u32> = limits.0.values().copied().collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    };
    let (before, after) = (numbers(old), numbers(new));
    if before == after {
        return None;
    }
    let direction = match (&before[..], &after[..]) {
        ([before], [after]) => direction_of(after > before),
        _ => Direction::Changed,
    };
    let text = |limits: &Limits<u32>| limits.summary(ToString::to_string);
    let change = Change::new(direction, Kind::LiveJobs);
    Some(change.between(Some(text(old)), Some(text(new))))
}

fn duration(old: &Task, new: &Task) -> Option<Change> {
    let (before, after) = (old.max_duration, new.max_duration);
    let change = Change::new(direction_of(after > before), Kind::JobDuration);
    let text = |duration| Some(show_duration(duration));
    (before != after).then(|| change.between(text(before), text(after)))
}

fn summary(effect: &Effect) -> String {
    let one = |(name, given): (&Arc<str>, &Given)| format!("{name} ({})", given.summary());
    let all: Vec<_> = effect.credentials.iter().map(one).collect();
    all.join(", ")
}
