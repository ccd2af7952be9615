//! What changes in the facts of the installation.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::change::{Change, Direction, Kind};
use crate::domain::policy::duration::show_duration;
use crate::domain::policy::installation::{EnvironmentCeiling, Installation, OnWithdrawnGrant};

pub(super) fn changes(old: &Installation, new: &Installation) -> Vec<Change> {
    let mut changes = Vec::new();
    changes.extend(longest("max_ttl", Some(old.max_ttl), Some(new.max_ttl)));
    let durations = (Some(old.max_duration), Some(new.max_duration));
    changes.extend(longest("max_duration", durations.0, durations.1));
    let forbidden = |of: &Installation| set(&of.forbidden_audiences);
    let name = "forbidden_audiences";
    // One more that is forbidden is one less that is allowed.
    changes.extend(listed(name, &forbidden(new), &forbidden(old)).map(turned));
    let allowed = |of: &Installation| of.allowed_audiences.as_deref().map(set);
    changes.extend(only("allowed_audiences", allowed(old), allowed(new)));
    let issuers = |of: &Installation| of.issuers.iter().map(|one| one.name.clone()).collect();
    changes.extend(listed("issuers", &issuers(old), &issuers(new)));
    let (before, after) = (&old.environment_ceilings, &new.environment_ceilings);
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    for name in names {
        changes.extend(of_environment(name, before.get(name), after.get(name)));
    }
    changes.extend(withdrawn(old.on_withdrawn_grant, new.on_withdrawn_grant));
    changes
}

fn of_environment(
    environment: &str,
    old: Option<&EnvironmentCeiling>,
    new: Option<&EnvironmentCeiling>,
) -> Vec<Change> {
    let name = |key: &str| format!("ceiling.{environment} {key}");
    let ttl = |of: Option<&EnvironmentCeiling>| of?.max_ttl;
    let issuers = |of: Option<&EnvironmentCeiling>| of?.issuers.as_deref().map(set);
    let audiences = |of: Option<&EnvironmentCeiling>| of?.audiences.as_deref().map(set);
    let lifetime = longest(&name("max_ttl"), ttl(old), ttl(new));
    lifetime
        .into_iter()
        .chain(only(&name("issuers"), issuers(old), issuers(new)))
        .chain(only(&name("audiences"), audiences(old), audiences(new)))
        .collect()
}

fn withdrawn(old: OnWithdrawnGrant, new: OnWithdrawnGrant) -> Option<Change> {
    let text = |one| match one {
        OnWithdrawnGrant::KeepJobs => "keep-jobs",
        OnWithdrawnGrant::EndJobs => "end-jobs",
    };
    let (before, after) = (text(old).to_owned(), text(new).to_owned());
    let change = ceiling(Direction::Changed, "on_withdrawn_grant");
    (old != new).then(|| change.between(Some(before), Some(after)))
}

/// A limit; none is no limit.
fn longest(name: &str, old: Option<Duration>, new: Option<Duration>) -> Option<Change> {
    let text = |limit: Option<Duration>| {
        Some(limit.map_or_else(|| "no limit of its own".to_owned(), show_duration))
    };
    let most = |limit: Option<Duration>| limit.unwrap_or(Duration::MAX);
    let direction = if most(new) > most(old) {
        Direction::Widened
    } else {
        Direction::Narrowed
    };
    (old != new).then(|| ceiling(direction, name).between(text(old), text(new)))
}

/// What is allowed and nothing else; none is everything.
fn only(
    name: &str,
    old: Option<BTreeSet<Arc<str>>>,
    new: Option<BTreeSet<Arc<str>>>,
) -> Vec<Change> {
    let text = |list: &BTreeSet<Arc<str>>| {
        let all: Vec<&str> = list.iter().map(AsRef::as_ref).collect();
        Some(format!("only {}", all.join(", ")))
    };
    let everything = || Some("everything".to_owned());
    match (old, new) {
        (None, None) => Vec::new(),
        (None, Some(list)) => {
            vec![ceiling(Direction::Narrowed, name).between(everything(), text(&list))]
        }
        (Some(list), None) => {
            vec![ceiling(Direction::Widened, name).between(text(&list), everything())]
        }
        (Some(old), Some(new)) => listed(name, &old, &new).collect(),
    }
}

/// What is on a list only before or only after.
fn listed(
    name: &str,
    old: &BTreeSet<Arc<str>>,
    new: &BTreeSet<Arc<str>>,
) -> impl Iterator<Item = Change> {
    let more = new
        .difference(old)
        .map(|one| ceiling(Direction::Widened, name).between(None, Some(one.to_string())));
    let fewer = old
        .difference(new)
        .map(|one| ceiling(Direction::Narrowed, name).between(Some(one.to_string()), None));
    more.chain(fewer).collect::<Vec<_>>().into_iter()
}

/// Of a list that takes away: what was gained is lost.
fn turned(change: Change) -> Change {
    Change {
        old: change.new,
        new: change.old,
        ..change
    }
}

fn set(list: &[Arc<str>]) -> BTreeSet<Arc<str>> {
    list.iter().cloned().collect()
}

fn ceiling(direction: Direction, name: &str) -> Change {
    Change::new(direction, Kind::Ceiling).named(name)
}
