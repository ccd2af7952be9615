//! What changes in the facts of the installation.

use std::collections::BTreeSet;
use std::time::Duration;

use super::change::{Change, Direction, Kind};
use crate::domain::policy::duration::show_duration;
use crate::domain::policy::installation::Installation;

pub(super) fn changes(old: &Installation, new: &Installation) -> Vec<Change> {
    let mut changes = Vec::new();
    changes.extend(ceiling("max_ttl", old.max_ttl, new.max_ttl));
    changes.extend(ceiling("max_duration", old.max_duration, new.max_duration));
    let audiences = |of: &Installation| -> BTreeSet<String> {
        of.forbidden_audiences
            .iter()
            .map(|uri| format!("the forbidden audience {uri}"))
            .collect()
    };
    changes.extend(listed(
        &audiences(old),
        &audiences(new),
        Direction::Narrowed,
    ));
    changes.extend(listed(&limits(old), &limits(new), Direction::Changed));
    let issuers = |of: &Installation| -> BTreeSet<String> {
        of.issuers
            .iter()
            .map(|issuer| format!("the issuer {}", issuer.name))
            .collect()
    };
    changes.extend(listed(&issuers(old), &issuers(new), Direction::Widened));
    changes
}

/// The ceilings of single environments, and the list of allowed audiences.
fn limits(of: &Installation) -> BTreeSet<String> {
    let audiences = of.allowed_audiences.as_ref().map(|audiences| {
        let mut audiences: Vec<&str> = audiences.iter().map(AsRef::as_ref).collect();
        audiences.sort_unstable();
        format!("allowed_audiences {}", audiences.join(", "))
    });
    let environments = of.environment_ceilings.iter().map(|(name, ceiling)| {
        let ttl = ceiling.max_ttl.map(show_duration).unwrap_or_default();
        let (issuers, audiences) = (&ceiling.issuers, &ceiling.audiences);
        format!("ceiling.{name} (max_ttl {ttl}, issuers {issuers:?}, audiences {audiences:?})")
    });
    audiences.into_iter().chain(environments).collect()
}

fn ceiling(name: &str, old: Duration, new: Duration) -> Option<Change> {
    let direction = if new > old {
        Direction::Widened
    } else {
        Direction::Narrowed
    };
    let text = |duration| Some(show_duration(duration));
    let change = Change::new(direction, Kind::Ceiling).named(format!("`{name}`"));
    (old != new).then(|| change.between(text(old), text(new)))
}

/// What is on a list only before or only after; `direction` is what one more on it does.
fn listed(
    old: &BTreeSet<String>,
    new: &BTreeSet<String>,
    direction: Direction,
) -> impl Iterator<Item = Change> {
    let opposite = match direction {
        Direction::Widened => Direction::Narrowed,
        Direction::Narrowed => Direction::Widened,
        Direction::Changed => Direction::Changed,
    };
    let change = |direction| Change::new(direction, Kind::Ceiling).named("facts");
    let added = new
        .difference(old)
        .map(move |one| change(direction).between(None, Some(one.clone())));
    let removed = old
        .difference(new)
        .map(move |one| change(opposite).between(Some(one.clone()), None));
    added.chain(removed).collect::<Vec<_>>().into_iter()
}
