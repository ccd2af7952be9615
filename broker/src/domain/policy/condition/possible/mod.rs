//! Conditions that can never hold, or that always do, by what attributes can be: `context.time.hour >= 22 &&
//! context.time.hour < 6` lets nobody in.
//!
//! - `formula`: a condition as tests of single attributes
//! - `domain`: which values an attribute can have
//! - `value`: whether one value can come out of several tests as it has to
//!
//! What is said is so; what is not said may be so all the same.

mod domain;
mod formula;
mod value;

use std::collections::BTreeMap;

use self::domain::Domain;
use self::formula::{Asks, Test};
pub(in crate::domain::policy) use self::formula::{Formula, calculates};
use super::known::Known;
use super::mistake::{Mistake, MistakeKind};

/// Ways to meet a condition that are looked at; of those with more, nothing is said.
const MOST_WAYS: usize = 128;

/// One way to meet a condition: tests that have to come out so, all of them.
type Way<'a> = Vec<(&'a Test, bool)>;

/// What the attributes of a condition can be.
struct Domains<'a>(BTreeMap<String, Domain<'a>>);

impl<'a> Domains<'a> {
    fn of(formula: &Formula, known: &'a Known<'a>) -> Self {
        let mut domains = Self(BTreeMap::new());
        domains.add(formula, known);
        domains
    }

    fn add(&mut self, formula: &Formula, known: &'a Known<'a>) {
        match formula {
            Formula::All(parts) | Formula::Any(parts) => {
                for part in parts {
                    self.add(part, known);
                }
            }
            Formula::Test(Test { attribute, .. }, _) => {
                if !self.0.contains_key(attribute) {
                    let domain = Domain::of(attribute, known);
                    self.0.insert(attribute.clone(), domain);
                }
            }
        }
    }
}

/// What can be said of a condition: that it, or a part of it, never holds or always does.
pub(in crate::domain::policy) fn impossible(
    formula: &Formula,
    known: &Known<'_>,
    text: &str,
) -> Vec<Mistake> {
    let domains = &Domains::of(formula, known);
    let (kind, said) = match (
        never((formula, true), domains),
        never((formula, false), domains),
    ) {
        (Some(conflict), _) => (MistakeKind::Never, conflict.never()),
        (None, Some(conflict)) => (MistakeKind::Always, conflict.always()),
        (None, None) => {
            let parts = parts(formula, domains).into_iter();
            return parts
                .map(|said| said.mistake(MistakeKind::Part, text))
                .collect();
        }
    };
    vec![said.mistake(kind, text)]
}

/// The least and the greatest number that an attribute can be.
pub(super) fn numbers_of(attribute: &str, known: &Known<'_>) -> (i64, i64) {
    Domain::of(attribute, known).numbers
}

/// Why one condition never holds where another does not, if that can be said.
pub(in crate::domain::policy) fn never_both(
    when: &Formula,
    unless: &Formula,
    known: &Known<'_>,
) -> Option<String> {
    let mut domains = Domains::of(when, known);
    domains.add(unless, known);
    let both = joined(&ways((when, true))?, &ways((unless, false))?)?;
    conflict(&both, &domains).map(|conflict| conflict.never().why)
}

/// What is said of a part: why, what to do, and which attribute it is about.
struct Said {
    why: String,
    help: Help,
    attribute: String,
}

/// What to do about it.
enum Help {
    /// Write this operator in place of that one.
    Operator(&'static str, &'static str),
    Words(String),
}

impl Said {
    fn mistake(self, kind: MistakeKind, text: &str) -> Mistake {
        // Where something is negated, the operators in the text are not those that are meant here.
        let is_plain = ["!(", "! (", "if "].iter().all(|word| !text.contains(word))
            && text.matches("when").count() + text.matches("unless").count() < 2;
        let help = match self.help {
            Help::Operator(operator, wrong) if is_plain && text.contains(wrong) => {
                format!(
                    "write `{operator}` between the two, in brackets of their own, or correct one of them"
                )
            }
            Help::Operator(_, _) => "correct one of the two, or how they are joined".to_owned(),
            Help::Words(words) => words,
        };
        let at = text.find(&self.attribute);
        let span = at.map_or(0..text.len(), |at| at..at + self.attribute.len());
        Mistake {
            kind,
            ..Mistake::error(span, self.why).help(help)
        }
    }
}

/// Alternatives that never hold, and requirements that always do, each the outermost.
fn parts(formula: &Formula, domains: &Domains<'_>) -> Vec<Said> {
    let (parts_of, of_all) = match formula {
        Formula::All(parts) => (parts, true),
        Formula::Any(parts) => (parts, false),
        Formula::Test(_, _) => return Vec::new(),
    };
    let look = |part: &Formula| {
        let wrong = match (of_all, part) {
            // Both ends of a range, or what the workloads of the grant say already: more than is needed, and
            // written on purpose.
            (true, Formula::Test(_, _)) => None,
            (true, _) => never((part, false), domains).map(|why| why.always()),
            (false, _) => never((part, true), domains).map(|why| why.never()),
        };
        wrong.map_or_else(|| parts(part, domains), |wrong| vec![wrong])
    };
    parts_of.iter().flat_map(look).collect()
}

/// Why a condition can never come out so, if that can be said.
fn never(wanted: Wanted<'_>, domains: &Domains<'_>) -> Option<Conflict> {
    conflict(&ways(wanted)?, domains)
}

/// Why none of these ways can be gone.
fn conflict(ways: &[Way<'_>], domains: &Domains<'_>) -> Option<Conflict> {
    let (first, others) = ways.split_first()?;
    let conflict = contradicted(first, domains)?;
    let are_impossible = others
        .iter()
        .all(|way| contradicted(way, domains).is_some());
    are_impossible.then(|| conflict.told())
}

/// A condition, and whether it has to hold.
type Wanted<'a> = (&'a Formula, bool);

/// Every way for a condition to come out as it is wanted, unless there are too many.
fn ways((formula, wanted): Wanted<'_>) -> Option<Vec<Way<'_>>> {
    let ways = match (formula, wanted) {
        (Formula::Test(test, expected), wanted) => vec![vec![(test, *expected == wanted)]],
        (Formula::Any(parts), true) | (Formula::All(parts), false) => {
            let mut any = Vec::new();
            for part in parts {
                any.extend(ways((part, wanted))?);
            }
            any
        }
        (Formula::All(parts), true) | (Formula::Any(parts), false) => {
            let mut all: Vec<Way<'_>> = vec![Vec::new()];
            for part in parts {
                all = joined(&all, &ways((part, wanted))?)?;
            }
            all
        }
    };
    (ways.len() <= MOST_WAYS).then_some(ways)
}

/// Each of some ways together with each of others, unless those are too many.
fn joined<'a>(all: &[Way<'a>], more: &[Way<'a>]) -> Option<Vec<Way<'a>>> {
    if all.len().saturating_mul(more.len()) > MOST_WAYS {
        return None;
    }
    if let ([only], [after]) = (all, more) {
        return Some(vec![[&only[..], &after[..]].concat()]);
    }
    let join = |before: &Way<'a>| -> Vec<Way<'a>> {
        let join = |after: &Way<'a>| [&before[..], &after[..]].concat();
        more.iter().map(join).collect()
    };
    Some(all.iter().flat_map(join).collect())
}

/// An attribute that would have to be several things at once, and what.
struct Conflict {
    attribute: String,
    answers: Vec<(Asks, bool)>,
    /// What its values are.
    values: Option<String>,
    /// Whether a value can be the opposite of all that is asked: whether another operator mends it.
    has_opposite: bool,
}

/// What is asked of one attribute that has no such value.
struct Contradicted<'a> {
    attribute: &'a str,
    answers: Vec<value::Answer<'a>>,
    domain: &'a Domain<'a>,
}

/// The attribute that no value of suits a way.
fn contradicted<'a>(way: &Way<'a>, domains: &'a Domains<'a>) -> Option<Contradicted<'a>> {
    let mut by_attribute: Vec<(&str, Vec<value::Answer<'_>>)> = Vec::with_capacity(way.len());
    for (test, expected) in way {
        let answer = (&test.asks, *expected);
        match by_attribute
            .iter_mut()
            .find(|(name, _)| *name == test.attribute)
        {
            Some((_, answers)) if answers.contains(&answer) => {}
            Some((_, answers)) => answers.push(answer),
            None => by_attribute.push((&test.attribute, vec![answer])),
        }
    }
    by_attribute.into_iter().find_map(|(attribute, answers)| {
        let domain = domains.0.get(attribute)?;
        (!value::exists(&answers, domain)).then_some(Contradicted {
            attribute,
            answers,
            domain,
        })
    })
}

impl Contradicted<'_> {
    fn told(mut self) -> Conflict {
        // One that is wrong by itself is the one to tell.
        let is_wrong = |answer: &value::Answer<'_>| !value::exists(&[*answer], self.domain);
        if let Some(alone) = self.answers.iter().position(is_wrong) {
            self.answers = vec![self.answers.swap_remove(alone)];
        }
        let opposite: Vec<_> = self
            .answers
            .iter()
            .map(|(asks, expected)| (*asks, !expected))
            .collect();
        let answers = self.answers.into_iter();
        Conflict {
            has_opposite: value::exists(&opposite, self.domain),
            values: self.domain.words(),
            attribute: self.attribute.to_owned(),
            answers: answers
                .map(|(asks, expected)| (asks.clone(), expected))
                .collect(),
        }
    }
}

impl Conflict {
    /// What it says of a part that never holds, and what to do.
    fn never(&self) -> Said {
        let asked: Vec<_> = self.answers.iter().filter_map(words).collect();
        let Self { attribute, .. } = self;
        let (why, help) = match asked.as_slice() {
            [] => (
                "it asks for something and for its opposite".to_owned(),
                Help::Operator("||", "&&"),
            ),
            [one] => (
                format!("`{attribute}` is never {one}"),
                if self.is_like_a_pattern() {
                    Help::Words(
                        "`like` knows only `*`: write several, joined by `||`, and compare with attributes by `==`"
                            .to_owned(),
                    )
                } else {
                    self.with_values("compare with a value that it can have")
                },
            ),
            several => (
                format!("`{attribute}` is never {}", several.join(" and ")),
                self.operator("||", "&&"),
            ),
        };
        self.said(why, help)
    }

    fn said(&self, why: String, help: Help) -> Said {
        Said {
            why,
            help,
            attribute: self.attribute.clone(),
        }
    }

    /// Whether it is asked to be like something that only regular expressions and templates know.
    fn is_like_a_pattern(&self) -> bool {
        self.answers.iter().any(|(asks, _)| match asks {
            Asks::IsLike(pieces) => pieces
                .iter()
                .any(|piece| piece.contains(['(', '|', '?', '[', '$', '{', '\\'])),
            _ => false,
        })
    }

    fn operator(&self, right: &'static str, wrong: &'static str) -> Help {
        if self.has_opposite {
            Help::Operator(right, wrong)
        } else {
            Help::Words("correct one of them, or remove them".to_owned())
        }
    }

    fn with_values(&self, help: &str) -> Help {
        Help::Words(match &self.values {
            Some(values) => format!("{help}: {values}"),
            None => help.to_owned(),
        })
    }

    /// What it says of a part that always holds: its opposite never does.
    fn always(&self) -> Said {
        let opposite = |(asks, expected): &(Asks, bool)| words(&(asks.clone(), !expected));
        let asked: Vec<_> = self.answers.iter().filter_map(opposite).collect();
        let Self { attribute, .. } = self;
        let (why, help) = match asked.as_slice() {
            [] => (
                "it asks for something or for its opposite".to_owned(),
                Help::Operator("&&", "||"),
            ),
            [one] => (
                format!("`{attribute}` is always {one}"),
                self.with_values("compare with another value, or remove it"),
            ),
            several => (
                format!("`{attribute}` is always {}", several.join(" or ")),
                self.operator("&&", "||"),
            ),
        };
        self.said(why, help)
    }
}

/// An answer in words.
fn words((asks, expected): &(Asks, bool)) -> Option<String> {
    let quoted = |texts: Vec<String>| texts.join(" or ");
    let not = if *expected { "" } else { "not " };
    Some(match asks {
        Asks::IsAtMost(limit) if *expected => format!("at most {limit}"),
        Asks::IsAtMost(limit) => format!("at least {}", limit.saturating_add(1)),
        Asks::IsText(texts) => {
            let texts = texts.iter().map(|text| format!("{text:?}"));
            format!("{not}{}", quoted(texts.collect()))
        }
        Asks::IsNumber(numbers) => {
            let numbers = numbers.iter().map(ToString::to_string);
            format!("{not}{}", quoted(numbers.collect()))
        }
        Asks::IsLike(pieces) => format!("{not}like {:?}", pieces.join("*")),
        Asks::Anything => return None,
    })
}
