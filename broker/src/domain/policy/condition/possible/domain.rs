//! Which values an attribute can have.

use std::collections::BTreeSet;

use taskpass_identity::SpiffeId;

use super::super::known::Known;
use super::super::schema::TASK;
use crate::domain::policy::parameter::{Parameter, ParameterKind};
use crate::domain::policy::pattern::{Segment, WorkloadPattern};
use crate::domain::policy::value_pattern::ValuePattern;

const SCHEME: &str = "spiffe://";
/// The end of the year 9999, in seconds since 1970: no later time is decided at.
const LAST_SECOND: i64 = 253_402_300_799;
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
    /// Whether a text can begin like this.
    pub(super) begins: Box<dyn Fn(&str) -> bool + 'a>,
    /// How often a text has `/` in it at most.
    pub(super) slashes: usize,
    /// Whether a text can have this in it.
    pub(super) contains: Box<dyn Fn(&str) -> bool + 'a>,
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
                Self::numbers(0, LAST_SECOND)
            }
            ["context", "job", "generation"] | ["context", "reported", "uid" | "gid" | "pid"] => {
                Self::numbers(0, u32::MAX.into())
            }
            ["context", "time", "date"] => Self {
                begins: Box::new(begins_as_date),
                ..Self::anything()
            },
            ["context", "environment"] => {
                let met = known.environments.as_ref();
                Self::names(met.unwrap_or(&known.vocabulary.environments))
            }
            ["context", "task"] => match known.task {
                Some(task) => Self::texts(vec![task.to_owned()]),
                None => Self::anything(),
            },
            ["resource"] => match known.task {
                Some(task) => Self::texts(vec![entity(TASK, task)]),
                None => Self::anything(),
            },
            ["context", "identity", "name"] => Self::names(&known.vocabulary.identities),
            ["context", "identity", "owner"] => Self::names(&known.vocabulary.owners),
            ["context", "trust_domain"] => match known.workloads {
                [] => Self::anything(),
                patterns => {
                    let domains: BTreeSet<_> = patterns.iter().map(trust_domain).collect();
                    Self::texts(domains.into_iter().collect())
                }
            },
            ["context", "name"] => Self {
                slashes: 0,
                contains: Box::new(|text| text.chars().all(is_of_id)),
                ..Self::anything()
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
            let named = texts.iter().take(MOST_NAMED);
            let named: Vec<_> = named.map(|text| format!("{text:?}")).collect();
            let more = if texts.len() > MOST_NAMED {
                ", or others"
            } else {
                ""
            };
            named.join(" or ") + more
        };
        match (&self.texts, self.numbers) {
            (Some(texts), _) => Some(format!("it is {}", quoted(texts))),
            (None, (least, i64::MAX | LAST_SECOND)) if least > i64::MIN => {
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
            return Self::several(&declared);
        };
        match &one.kind {
            ParameterKind::Integer { min, max } => Self::numbers(*min, *max),
            ParameterKind::OneOf(values) => {
                Self::texts(values.iter().map(ToString::to_string).collect())
            }
            ParameterKind::Boolean => Self::anything(),
            ParameterKind::Token | ParameterKind::Path | ParameterKind::Text => {
                let beginnings = one.pattern.as_ref().and_then(ValuePattern::beginnings);
                let beginnings = beginnings.into_iter().flatten().cloned();
                let kind = one.kind.clone();
                Self {
                    prefixes: one_at_least(beginnings, ""),
                    // That single values are taken was seen before.
                    contains: Box::new(move |text| kind.may_contain(text)),
                    ..Self::anything()
                }
            }
        }
    }

    /// Numbers of any of these parameters.
    fn several(declared: &[Parameter]) -> Self {
        let range = |parameter: &Parameter| match parameter.kind {
            ParameterKind::Integer { min, max } => Some((min, max)),
            ParameterKind::OneOf(_)
            | ParameterKind::Boolean
            | ParameterKind::Token
            | ParameterKind::Path
            | ParameterKind::Text => None,
        };
        let ranges: Option<Vec<_>> = declared.iter().map(range).collect();
        let widest = ranges
            .into_iter()
            .flatten()
            .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        widest.map_or_else(Self::anything, |(min, max)| Self::numbers(min, max))
    }

    fn subject(patterns: &'a [WorkloadPattern]) -> Self {
        let prefix =
            |of: &WorkloadPattern| format!("{SCHEME}{}{}", of.trust_domain(), literal_path(of));
        Self {
            prefixes: one_at_least(patterns.iter().map(prefix), SCHEME),
            contains: Box::new(|text| text.chars().all(is_of_id)),
            slashes: deepest(patterns).saturating_add(2),
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
            contains: Box::new(|text| text.chars().all(is_of_id) && !text.contains("//")),
            slashes: deepest(patterns),
            takes: Box::new(move |text| {
                let of = |domain: &str| format!("{SCHEME}{domain}{text}").parse::<SpiffeId>();
                let is_of = |pattern: &WorkloadPattern| {
                    of(pattern.trust_domain()).is_ok_and(|subject| pattern.matches(&subject))
                };
                // With the shortest trust domain, for the whole is limited in length.
                patterns.is_empty() && of("a").is_ok() || patterns.iter().any(is_of)
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
            begins: Box::new(|_| true),
            contains: Box::new(|_| true),
            slashes: usize::MAX,
            takes: Box::new(|_| true),
        }
    }
}

/// An entity as Cedar writes it.
pub(super) fn entity(kind: &str, id: &str) -> String {
    format!("{kind}::{id:?}")
}

/// A letter of SPIFFE IDs (SPIFFE-ID, sections 2.1 and 2.2).
fn is_of_id(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "-._/:".contains(letter)
}

/// Whether `2026-01-31` and the like can begin with this.
fn begins_as_date(text: &str) -> bool {
    let fits = |(at, letter): (usize, char)| match at {
        4 | 7 => letter == '-',
        0..10 => letter.is_ascii_digit(),
        _ => false,
    };
    text.char_indices().all(fits)
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

/// Segments of the deepest workload that is meant; one that takes the rest has no end.
fn deepest(patterns: &[WorkloadPattern]) -> usize {
    let depth = |pattern: &WorkloadPattern| {
        let is_open = pattern.segments().any(|segment| segment == Segment::Rest);
        if is_open {
            usize::MAX
        } else {
            pattern.segments().count()
        }
    };
    patterns.iter().map(depth).max().unwrap_or(usize::MAX)
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
