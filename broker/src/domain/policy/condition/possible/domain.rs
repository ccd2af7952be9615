//! Which values an attribute can have.

use std::collections::BTreeSet;

use taskpass_identity::SpiffeId;

use super::super::known::Known;
use crate::domain::policy::parameter::ParameterKind;
use crate::domain::policy::pattern::{Segment, WorkloadPattern};

const SCHEME: &str = "spiffe://";
/// Values that a remedy names.
const MOST_NAMED: usize = 6;

/// The values that an attribute can have, or more.
pub(in crate::domain::policy) struct Domain<'a> {
    /// The least and the greatest number.
    pub(super) numbers: (i64, i64),
    /// Every text, where they can be listed.
    pub(super) texts: Option<Vec<String>>,
    /// How texts begin: in one of these ways.
    pub(super) prefixes: Vec<String>,
    /// Whether a text can be one.
    pub(super) takes: Box<dyn Fn(&str) -> bool + 'a>,
}

impl<'a> Domain<'a> {
    /// What is known of an attribute in a policy.
    pub(super) fn of(attribute: &str, known: &'a Known<'a>) -> Self {
        let path: Vec<_> = attribute.split('.').collect();
        match path.as_slice() {
            ["context", "time", "hour"] => Self::numbers(0, 23),
            ["context", "time", "minute"] => Self::numbers(0, 59),
            ["context", "time", "weekday"] => Self::numbers(1, 7),
            ["context", "time", "unix"] | ["context", "job", "age" | "opened_at"] => {
                Self::numbers(0, i64::MAX)
            }
            ["context", "job", "generation"] => Self::numbers(0, u32::MAX.into()),
            ["context", "reported", "uid" | "gid" | "pid"] => Self::numbers(0, u32::MAX.into()),
            ["context", "environment"] => Self::names(&known.vocabulary.environments),
            ["context", "identity", "name"] => Self::names(&known.vocabulary.identities),
            ["context", "identity", "owner"] => Self::names(&known.vocabulary.owners),
            ["context", "trust_domain"] => match known.workloads {
                [] => Self::anything(),
                patterns => Self::texts(patterns.iter().map(trust_domain).collect()),
            },
            ["context", "subject"] => Self::subject(known.workloads),
            ["context", "path"] => Self::path(known.workloads),
            ["context", "params", name] => Self::parameter(name, known),
            _ => Self::anything(),
        }
    }

    /// What its values are, where that can be said in a few words.
    pub(super) fn words(&self) -> Option<String> {
        let quoted = |texts: &[String]| {
            let texts = texts.iter().take(MOST_NAMED);
            texts
                .map(|text| format!("{text:?}"))
                .collect::<Vec<_>>()
                .join(" or ")
        };
        match (&self.texts, self.numbers) {
            (Some(texts), _) => Some(format!("it is {}", quoted(texts))),
            (None, (least, i64::MAX)) if least > i64::MIN => {
                Some(format!("it is at least {least}"))
            }
            (None, (least, most)) if least > i64::MIN => {
                Some(format!("it is from {least} to {most}"))
            }
            (None, _) if self.prefixes.iter().all(|prefix| !prefix.is_empty()) => {
                Some(format!("it begins with {}", quoted(&self.prefixes)))
            }
            (None, _) => None,
        }
    }

    /// Names, and the empty one of what has none.
    fn names(names: &BTreeSet<&str>) -> Self {
        let names = names.iter().map(|name| (*name).to_owned());
        Self::texts(names.chain([String::new()]).collect())
    }

    fn parameter(name: &str, known: &'a Known<'a>) -> Self {
        let declared = (known.parameters)(name);
        let [one] = declared.as_slice() else {
            return Self::anything();
        };
        match &one.kind {
            ParameterKind::Integer { min, max } => Self::numbers(*min, *max),
            ParameterKind::OneOf(values) => {
                Self::texts(values.iter().map(ToString::to_string).collect())
            }
            ParameterKind::Boolean
            | ParameterKind::Token
            | ParameterKind::Path
            | ParameterKind::Text => Self::anything(),
        }
    }

    fn subject(patterns: &'a [WorkloadPattern]) -> Self {
        let prefix =
            |of: &WorkloadPattern| format!("{SCHEME}{}{}", of.trust_domain(), literal_path(of));
        Self {
            prefixes: one_at_least(patterns.iter().map(prefix), SCHEME),
            takes: Box::new(|text| {
                let subject = text.parse::<SpiffeId>();
                subject.is_ok_and(|subject| is_one_of(&subject, patterns))
            }),
            ..Self::anything()
        }
    }

    fn path(patterns: &'a [WorkloadPattern]) -> Self {
        Self {
            prefixes: one_at_least(patterns.iter().map(literal_path), "/"),
            takes: Box::new(move |text| {
                let of = |domain: &str| format!("{SCHEME}{domain}{text}").parse::<SpiffeId>();
                let subject = match patterns {
                    [] => of("any").ok(),
                    patterns => patterns
                        .iter()
                        .filter_map(|pattern| of(pattern.trust_domain()).ok())
                        .find(|subject| is_one_of(subject, patterns)),
                };
                subject.is_some_and(|subject| is_one_of(&subject, patterns))
            }),
            ..Self::anything()
        }
    }

    fn numbers(least: i64, most: i64) -> Self {
        Self {
            numbers: (least, most),
            ..Self::anything()
        }
    }

    fn texts(texts: Vec<String>) -> Self {
        Self {
            texts: Some(texts),
            ..Self::anything()
        }
    }

    fn anything() -> Self {
        Self {
            numbers: (i64::MIN, i64::MAX),
            texts: None,
            prefixes: vec![String::new()],
            takes: Box::new(|_| true),
        }
    }
}

fn trust_domain(pattern: &WorkloadPattern) -> String {
    pattern.trust_domain().to_owned()
}

/// The path of a pattern up to its first wildcard.
fn literal_path(pattern: &WorkloadPattern) -> String {
    let mut path = String::new();
    for segment in pattern.segments() {
        path.push('/');
        match segment {
            Segment::Literal(literal) => path.push_str(literal),
            Segment::Any | Segment::Rest => break,
        }
    }
    path
}

/// Beginnings without those that another one begins.
fn one_at_least(texts: impl Iterator<Item = String>, or: &str) -> Vec<String> {
    let mut texts: Vec<_> = texts.collect();
    texts.sort_unstable();
    texts.dedup_by(|longer, shorter| longer.starts_with(&**shorter));
    if texts.is_empty() {
        texts.push(or.to_owned());
    }
    texts
}

/// Whether a workload is one that is meant; none is said to mean everybody.
fn is_one_of(subject: &SpiffeId, patterns: &[WorkloadPattern]) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(subject))
}
