//! Single edits of one policy, each with the effects that it has, and no others.

use std::fmt::Write as _;

use proptest::prelude::*;
use taskpass_identity::SpiffeId;

use super::{Change, Difference, Kind, Side, diff};
use crate::domain::policy::{
    Circumstances, Installation, Outcome, Policy, Request, SourceFile, Wanted, WorkloadPattern,
};
use crate::domain::time::UnixMillis;

mod conditions;
mod edits;
mod hidden;

use edits::{EDITS, GUARDRAILS, INSTALLATION, POLICY};

fn installation(text: &str) -> Installation {
    Installation::parse(&SourceFile::new("installation.toml", text.as_bytes())).unwrap()
}

fn compile(text: &str, facts: &Installation) -> Policy {
    Policy::compile(&[SourceFile::new("policy.toml", text.as_bytes())], facts)
        .unwrap_or_else(|findings| panic!("{findings:#?}\n{text}"))
}

/// The texts of policy, installation and guardrails.
type Texts = [String; 3];

/// The texts after some of the edits, as far as they still find what they replace.
fn edited(numbers: &[usize]) -> Texts {
    let mut texts = [POLICY, INSTALLATION, GUARDRAILS].map(str::to_owned);
    for number in numbers {
        let (_, find, replace) = EDITS[*number];
        texts = texts.map(|text| text.replacen(find, replace, 1));
    }
    texts
}

/// A policy with its installation, unless the edits do not go together.
fn compiled([policy, facts, guardrails]: &Texts) -> Option<(Policy, Installation)> {
    let file = |name: &str, text: &str| SourceFile::new(name, text.as_bytes());
    let facts = Installation::parse(&file("installation.toml", facts)).ok()?;
    let files = [file("policy.toml", policy), file("all.cedar", guardrails)];
    Some((Policy::compile(&files, &facts).ok()?, facts))
}

fn difference(old: &Texts, new: &Texts) -> Difference {
    let [old, new] = [old, new].map(|texts| compiled(texts).expect("good texts"));
    let [old, new] = [&old, &new].map(|(policy, installation)| Side {
        policy,
        installation,
    });
    diff(old, new)
}

#[test]
fn every_edit_has_its_effects_and_no_others() {
    let base = edited(&[]);
    let mut lines = String::new();
    for (number, (name, _, _)) in EDITS.iter().enumerate() {
        let new = edited(&[number]);
        assert_ne!(new, base, "{name}: the edit changes no text");
        assert!(compiled(&new).is_some(), "{name}");
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

fn decided(policy: &Policy, asked: &Asked) -> Option<String> {
    let parameters = asked
        .parameters
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    effect(
        policy,
        &Request {
            subject: &asked.subject,
            task: &asked.task,
            parameters: &parameters.collect(),
            wanted: &asked.wanted,
            circumstances: &Circumstances::opening(UnixMillis::new(
                (NIGHT + asked.hour * 3600) * 1000,
            )),
        },
    )
}

/// Saturday, 2026-11-21 at midnight, UTC.
const NIGHT: u64 = 1_795_219_200;

#[derive(Debug)]
struct Asked {
    subject: SpiffeId,
    task: String,
    parameters: Vec<(&'static str, &'static str)>,
    hour: u64,
    wanted: Vec<Wanted>,
}

/// Requests that come through somewhere, whatever the edits are.
fn samples(subject: &SpiffeId, task: &str, wanted: &str) -> Vec<Asked> {
    let parameters = [
        vec![],
        vec![("ref", "main")],
        vec![("ref", "main"), ("color", "blue")],
        vec![("attempt", "1")],
        vec![("attempt", "3")],
        vec![("attempt", "4")],
    ];
    let at = |hour| {
        parameters.clone().map(move |parameters| Asked {
            subject: subject.clone(),
            task: task.to_owned(),
            parameters,
            hour,
            wanted: match wanted {
                "" => Vec::new(),
                name => vec![Wanted::whole(name)],
            },
        })
    };
    [8, 12, 21, 23].into_iter().flat_map(at).collect()
}

/// Whether a change names the workload: `A and also B except C, D`.
fn concerns(change: &Change, subject: &SpiffeId) -> bool {
    let matches = |text: &str| text.parse::<WorkloadPattern>().unwrap().matches(subject);
    change.workloads.is_empty()
        || change.workloads.iter().any(|text| {
            let (all, none) = text.split_once(" except ").unwrap_or((text, ""));
            all.split(" and also ").all(matches)
                && none
                    .split(", ")
                    .filter(|one| !one.is_empty())
                    .all(|one| !matches(one))
        })
}

/// What can be seen in a decision, whatever the conditions are.
fn is_plain(change: &Change) -> bool {
    let texts = [&change.old, &change.new];
    let is_conditional = texts
        .into_iter()
        .flatten()
        .any(|text| text.contains("when ") || text.contains("unless "));
    match change.kind {
        Kind::Scope | Kind::Issuer | Kind::Audience | Kind::Form => true,
        Kind::Task | Kind::Credential | Kind::Lifetime => !is_conditional,
        _ => false,
    }
}

fn some_edits(most: usize) -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(0..EDITS.len(), 0..most)
}

proptest! {
    #[test]
    fn what_is_decided_differently_is_listed_for_its_workload_and_what_is_listed_is_seen(
        (old, new) in (some_edits(4), some_edits(4)),
        subject in "spiffe://acme[.]example/(prod|dev|lab)/(ci|ops|agents)/(docs|site|x)(/y)?",
        task in "(deploy-docs|build|agent/answer|purge)",
        wanted in "(docs|tickets|cache)?",
    ) {
        let texts = (edited(&old), edited(&new));
        // Some edits do not go together.
        let (Some(before), Some(after)) = (compiled(&texts.0), compiled(&texts.1)) else {
            return Ok(());
        };
        let changes = difference(&texts.0, &texts.1).changes;
        let subject: SpiffeId = subject.parse().unwrap();
        let samples = samples(&subject, &task, &wanted);
        let outcomes: Vec<_> = samples.iter().map(|asked| (asked, decided(&before.0, asked), decided(&after.0, asked))).collect();
        let is_for = |change: &&Change| change.task.as_deref().is_none_or(|of| of == task) && concerns(change, &subject);
        let listed: Vec<_> = changes.iter().filter(is_for).filter(|change| change.kind != Kind::Ceiling).collect();
        for (asked, was, will_be) in &outcomes {
            prop_assert!(was == will_be || !listed.is_empty(), "{asked:?}: {was:?} → {will_be:?}: {changes:#?}");
        }
        for change in listed.into_iter().filter(|change| change.task.is_some() && is_plain(change)) {
            let is_seen = outcomes.iter().any(|(_, was, will_be)| was != will_be);
            // What no sample comes through for, before or after, is not to be seen.
            let through = |was: bool, what: &str| outcomes.iter().any(|(_, before, after)| {
                let outcome = if was { before } else { after };
                outcome.as_ref().is_some_and(|text| text.contains(what))
            });
            let credential = format!("name: {:?}", change.name.as_deref().unwrap_or_default());
            let is_visible = match change.kind {
                Kind::Task => through(change.old.is_some(), ""),
                Kind::Credential => wanted.is_empty() && through(true, "") && through(false, ""),
                _ => through(true, &credential) && through(false, &credential),
            };
            prop_assert!(is_seen || !is_visible, "not seen: {change}");
        }
        let opposite = difference(&texts.1, &texts.0).changes;
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
