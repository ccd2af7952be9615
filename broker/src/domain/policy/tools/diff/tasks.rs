//! What changes for one task.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::change::{Change, Kind};
use super::effect::Effect;
use super::limits::direction_of;
use super::{credentials, declared, parameters};
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
            is_given.0 |= !before.is_nothing() || !before.audited.is_empty();
            is_given.1 |= !after.is_nothing() || !after.audited.is_empty();
            for change in credentials::given(&before, &after)
                .into_iter()
                .chain(credentials::audited(&before, &after))
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
        if classes.is_partial {
            // What was not looked at may be given all the same.
            is_given = (old.is_some(), new.is_some());
            changes.extend(declared::grants((self.old, old), (self.new, new)));
        }
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

fn duration(old: &Task, new: &Task) -> Option<Change> {
    let (before, after) = (old.max_duration, new.max_duration);
    let change = Change::new(direction_of(after > before), Kind::JobDuration);
    let text = |duration| Some(show_duration(duration));
    (before != after).then(|| change.between(text(before), text(after)))
}
