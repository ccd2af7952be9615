//! Single edits of one policy, each with the effects that it has, and no others.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use proptest::prelude::*;

use super::{Difference, Side, diff};
use crate::domain::policy::{Circumstances, Installation, Outcome, Policy, Request, SourceFile};

mod conditions;
mod edits;

use edits::{EDITS, INSTALLATION, POLICY};

fn installation(text: &str) -> Installation {
    Installation::parse(&SourceFile::new("installation.toml", text.as_bytes())).unwrap()
}

fn compile(text: &str, facts: &Installation) -> Policy {
    Policy::compile(&[SourceFile::new("policy.toml", text.as_bytes())], facts)
        .unwrap_or_else(|findings| panic!("{findings:#?}\n{text}"))
}

/// The texts after some of the edits, as far as they still find what they replace.
fn edited(numbers: &[usize]) -> (String, String) {
    let mut texts = (POLICY.to_owned(), INSTALLATION.to_owned());
    for number in numbers {
        let (_, find, replace) = EDITS[*number];
        texts.0 = texts.0.replacen(find, replace, 1);
        texts.1 = texts.1.replacen(find, replace, 1);
    }
    texts
}

fn difference(old: &(String, String), new: &(String, String)) -> Difference {
    let (old_facts, new_facts) = (installation(&old.1), installation(&new.1));
    diff(
        Side {
            policy: &compile(&old.0, &old_facts),
            installation: &old_facts,
        },
        Side {
            policy: &compile(&new.0, &new_facts),
            installation: &new_facts,
        },
    )
}

#[test]
fn every_edit_has_its_effects_and_no_others() {
    let base = edited(&[]);
    let mut lines = String::new();
    for (number, (name, _, _)) in EDITS.iter().enumerate() {
        let new = edited(&[number]);
        assert_ne!(new, base, "{name}: the edit changes no text");
        writeln!(lines, "{name}").unwrap();
        for change in difference(&base, &new).changes {
            writeln!(lines, "    {change}").unwrap();
        }
    }
    insta::assert_snapshot!(lines);
}

#[test]
fn the_way_back_has_the_opposite_effects() {
    use super::Direction::{Changed, Narrowed, Widened};
    let base = edited(&[]);
    for (number, (name, _, _)) in EDITS.iter().enumerate() {
        let new = edited(&[number]);
        let (there, back) = (difference(&base, &new), difference(&new, &base));
        for (one, other) in [(Widened, Narrowed), (Narrowed, Widened), (Changed, Changed)] {
            assert_eq!(there.count(one), back.count(other), "{name}");
        }
    }
}

/// What a decision lets through, without the words.
fn effect(policy: &Policy, request: &Request<'_>) -> Option<String> {
    match policy.decide(request).outcome {
        Outcome::Denied(_) => None,
        Outcome::Allowed(allowed) => Some(format!(
            "{:?} {:?} {}",
            allowed.credentials, allowed.max_duration, allowed.max_live_jobs
        )),
    }
}

proptest! {
    #[test]
    fn what_is_decided_differently_is_listed(
        old in proptest::collection::vec(0..EDITS.len(), 0..3),
        new in proptest::collection::vec(0..EDITS.len(), 0..4),
        subject in "spiffe://acme[.]example/(prod|dev|lab)/(ci|ops|agents)/(docs|site|x)(/y)?",
        task in "(deploy-docs|build|agent/answer|purge)",
        parameters in proptest::collection::btree_map(
            "(ref|color|attempt|note)", "(main|release/1|blue|green|red|[0-9])", 0..3,
        ),
    ) {
        let (old, new) = (edited(&old), edited(&new));
        let (old_facts, new_facts) = (installation(&old.1), installation(&new.1));
        let file = |text: &str| SourceFile::new("policy.toml", text.as_bytes());
        // Some edits do not go together.
        let (Ok(before), Ok(after)) = (
            Policy::compile(&[file(&old.0)], &old_facts),
            Policy::compile(&[file(&new.0)], &new_facts),
        ) else {
            return Ok(());
        };
        let subject = subject.parse().unwrap();
        let parameters: BTreeMap<String, String> = parameters;
        let request = Request { subject: &subject, task: &task, parameters: &parameters, wanted: &[], circumstances: &Circumstances::default() };
        let changes = difference(&old, &new).changes;
        let is_listed = changes.iter().any(|change| change.task.as_deref() == Some(&*task));
        let (was, will_be) = (effect(&before, &request), effect(&after, &request));
        prop_assert!(was == will_be || is_listed, "{was:?} → {will_be:?}: {changes:#?}");
        let opposite = difference(&new, &old).changes;
        prop_assert_eq!(changes.len(), opposite.len());
    }
}

#[test]
fn nothing_differs_by_the_order_of_files_or_their_names() {
    let facts = installation(INSTALLATION);
    let (first, second) = POLICY.split_once("# second file\n").unwrap();
    let of = |files: &[(&str, &str)]| {
        let file = |(name, text): &(&str, &str)| SourceFile::new(*name, text.as_bytes());
        Policy::compile(&files.iter().map(file).collect::<Vec<_>>(), &facts).unwrap()
    };
    let (one, two) = (
        of(&[("a.toml", first), ("b.toml", second)]),
        of(&[("z.toml", first), ("c.toml", second)]),
    );
    let side = |policy| Side {
        policy,
        installation: &facts,
    };
    assert!(diff(side(&one), side(&two)).is_none());
    assert!(diff(side(&one), side(&compile(POLICY, &facts))).is_none());
}
