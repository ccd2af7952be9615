//! What changes in the credentials that one workload is given for one task.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::change::{Change, Direction, Kind};
use super::effect::{Effect, Given};
use super::limits::{lifetimes, live_jobs};

/// What is given.
pub(super) fn given(before: &Effect, after: &Effect) -> Vec<Change> {
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
    let mut jobs: BTreeMap<&Arc<str>, Vec<Change>> = BTreeMap::new();
    for (name, given) in &before.credentials {
        match after.credentials.get(name) {
            Some(now) => {
                changes.extend(credential(given, now).map(|change| change.named(name)));
                jobs.insert(name, live_jobs(&given.live_jobs, &now.live_jobs));
            }
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
    changes.extend(open_jobs(jobs));
    changes
}

/// What is the same for every credential is told once.
fn open_jobs(by_credential: BTreeMap<&Arc<str>, Vec<Change>>) -> Vec<Change> {
    let distinct: BTreeSet<&Vec<Change>> = by_credential.values().collect();
    if let (Some(only), 1) = (distinct.first(), distinct.len()) {
        return (*only).clone();
    }
    let named = |(name, changes): (&Arc<str>, Vec<Change>)| {
        let name = name.clone();
        changes
            .into_iter()
            .map(move |change| change.named(&name))
            .collect::<Vec<_>>()
    };
    by_credential.into_iter().flat_map(named).collect()
}

/// What is tried out in audit mode, and gives nothing.
pub(super) fn audited(before: &Effect, after: &Effect) -> Vec<Change> {
    let names: BTreeSet<_> = before.audited.keys().chain(after.audited.keys()).collect();
    let mut changes = Vec::new();
    for name in names {
        let of_one = match (before.audited.get(name), after.audited.get(name)) {
            (None, None) => Vec::new(),
            (None, Some(now)) => vec![audited_change(None, Some(now.summary()))],
            (Some(given), None) => vec![audited_change(Some(given.summary()), None)],
            (Some(given), Some(now)) => {
                // Of a credential that is given anyway, its own changes are told there.
                let is_given = [before, after].map(|side| side.credentials.contains_key(name));
                let changes = credential(given, now)
                    .chain(live_jobs(&given.live_jobs, &now.live_jobs))
                    .filter(|change| is_given != [true, true] || change.kind.is_of_grants());
                changes
                    .map(|change| {
                        let what = change.kind.property();
                        let text = |text: Option<String>| text.map(|text| format!("{what} {text}"));
                        audited_change(text(change.old), text(change.new))
                    })
                    .collect()
            }
        };
        changes.extend(of_one.into_iter().map(|change| change.named(name)));
    }
    changes
}

fn audited_change(old: Option<String>, new: Option<String>) -> Change {
    Change::new(Direction::Changed, Kind::Audited).between(old, new)
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

fn summary(effect: &Effect) -> String {
    let one = |(name, given): (&Arc<str>, &Given)| format!("{name} ({})", given.summary());
    let all: Vec<_> = effect.credentials.iter().map(one).collect();
    all.join(", ")
}
