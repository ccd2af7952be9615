//! Comparisons with what a policy never has.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use jiff::civil::Date;
use taskpass_identity::SpiffeId;
use taskpass_identity::spiffe_id::is_segment;

use super::look::Looks;
use super::mistake::Mistake;
use super::schema::{TASK, WORKLOAD};
use crate::domain::policy::parameter::{Parameter, ParameterKind};
use crate::domain::policy::pattern::WorkloadPattern;
use crate::domain::policy::suggest::suggest;

/// The names that a policy gives and mentions, so that a misspelt one is found.
#[derive(Debug, Default)]
pub(in crate::domain::policy) struct Vocabulary<'a> {
    pub(in crate::domain::policy) tasks: BTreeSet<&'a str>,
    pub(in crate::domain::policy) environments: BTreeSet<&'a str>,
    /// Those of every workload that policy names.
    pub(in crate::domain::policy) trust_domains: BTreeSet<&'a str>,
    pub(in crate::domain::policy) identities: BTreeSet<&'a str>,
    /// Who answers for identities.
    pub(in crate::domain::policy) owners: BTreeSet<&'a str>,
    /// What identities can do.
    pub(in crate::domain::policy) tools: BTreeSet<&'a str>,
}

/// What values attributes can have where a condition stands.
pub(in crate::domain::policy) struct Known<'a> {
    pub(in crate::domain::policy) vocabulary: &'a Vocabulary<'a>,
    /// The parameters of a name, of every task that it is about.
    pub(in crate::domain::policy) parameters: &'a dyn Fn(&str) -> Vec<Parameter>,
    /// The workloads that it is about; none is everybody.
    pub(in crate::domain::policy) workloads: &'a [WorkloadPattern],
    /// The environments that they can be in; none said is any.
    pub(in crate::domain::policy) environments: Option<BTreeSet<&'a str>>,
    /// The task that it is about, unless it is about all.
    pub(in crate::domain::policy) task: Option<&'a str>,
    /// The workload pattern that was likely meant by another one.
    pub(in crate::domain::policy) meant: &'a dyn Fn(&WorkloadPattern) -> Option<String>,
}

const KINDS: [&str; 3] = ["service", "person", "agent"];
const SCHEME: &str = "spiffe://";
/// Literals times parameters that are held against each other; beyond, nothing is said.
const MOST_COMPARED: usize = 20_000;
/// Names that a remedy lists.
const MOST_LISTED: usize = 8;

/// Comparisons that can never hold, and names that nothing has.
pub(in crate::domain::policy) fn explain(
    looks: &Looks,
    known: &Known<'_>,
    text: &str,
) -> Vec<Mistake> {
    let mut declared: BTreeMap<String, Vec<Parameter>> = BTreeMap::new();
    let literals = looks.compared().count();
    let compared = looks.compared().filter_map(|(path, literal)| {
        let path: Vec<_> = path.iter().map(String::as_str).collect();
        let unlike = if let ["context", "params", name] = path[..] {
            // Every task may have a parameter of the name, and every literal is held against each.
            let of_name = declared
                .entry(name.to_owned())
                .or_insert_with(|| (known.parameters)(name));
            (literals.saturating_mul(of_name.len()) <= MOST_COMPARED)
                .then(|| Unlike::parameter(of_name, name, literal))
                .flatten()
        } else {
            known.compared(&path, literal)
        };
        match unlike {
            Some(unlike) => Some(unlike.mistake(&path, literal, text)),
            None => known.written(&path, literal, text),
        }
    });
    let compared: Vec<_> = compared.collect();
    let likened = looks.likened().filter_map(|(path, beginning)| {
        let path: Vec<_> = path.iter().map(String::as_str).collect();
        known.written(&path, beginning, text)
    });
    let named = looks
        .entities()
        .filter_map(|(kind, id)| known.named(kind, id, text));
    compared.into_iter().chain(likened).chain(named).collect()
}

/// What a value would have to be that can never be what it is compared with.
struct Unlike {
    expected: String,
    meant: Option<String>,
    help: String,
    /// Whether it may be what it is compared with after all.
    is_doubt: bool,
}

impl Unlike {
    /// One of the names of a kind; none where it is one.
    fn names(kind: &str, names: &BTreeSet<&str>, literal: &str) -> Option<Self> {
        if names.contains(literal) {
            return None;
        }
        let listed: Vec<_> = names
            .iter()
            .take(MOST_LISTED)
            .map(|name| format!("`{name}`"))
            .collect();
        Some(Self {
            is_doubt: false,
            expected: format!("{kind} of this policy"),
            meant: suggest(literal, names.iter().copied()).map(str::to_owned),
            help: if listed.is_empty() {
                "this policy has none".to_owned()
            } else {
                format!("write one of {}", listed.join(", "))
            },
        })
    }

    /// The same, where another name was likely meant.
    fn misspelt(kind: &str, names: &BTreeSet<&str>, literal: &str) -> Option<Self> {
        let unlike = Self::names(kind, names, literal).filter(|unlike| unlike.meant.is_some())?;
        Some(Self {
            is_doubt: true,
            ..unlike
        })
    }

    fn shape(expected: &str, meant: Option<String>) -> Self {
        Self {
            expected: expected.to_owned(),
            meant,
            help: format!("write {expected}"),
            is_doubt: false,
        }
    }

    fn range(literal: &str, range: RangeInclusive<i64>) -> Option<Self> {
        let number: i64 = literal.parse().ok()?;
        let expected = format!("from {} to {}", range.start(), range.end());
        (!range.contains(&number)).then(|| Self::shape(&expected, None))
    }

    fn parameter(declared: &[Parameter], name: &str, literal: &str) -> Option<Self> {
        if declared.iter().any(|parameter| parameter.accepts(literal)) {
            return None;
        }
        let first = declared.first()?;
        let help = if literal.starts_with("context.") {
            "an attribute stands without quotes".to_owned()
        } else if literal.contains('*') {
            "`==` compares whole texts: write `like`, where `*` is any text".to_owned()
        } else {
            format!("compare with a value that parameter `{name}` takes, or let it take this one")
        };
        let meant = match &first.kind {
            ParameterKind::OneOf(values) => suggest(literal, values.iter().map(|value| &**value)),
            _ => None,
        };
        Some(Self {
            is_doubt: false,
            expected: first.expected(),
            meant: meant.map(str::to_owned),
            help,
        })
    }

    fn mistake(self, path: &[&str], literal: &str, text: &str) -> Mistake {
        let (path, expected) = (path.join("."), self.expected);
        let message = if self.is_doubt {
            format!("{literal:?} is not {expected}")
        } else {
            format!("`{path}` is never {literal:?}: it is {expected}")
        };
        let mistake = never(text, literal, message, self.meant);
        let mistake = match mistake.help {
            Some(_) => mistake,
            None => mistake.help(self.help),
        };
        if self.is_doubt {
            mistake.doubt()
        } else {
            mistake
        }
    }
}

impl<'a> Known<'a> {
    /// What is known where nothing is.
    pub(super) fn of_nothing(vocabulary: &'a Vocabulary<'a>) -> Self {
        Self {
            vocabulary,
            parameters: &|_| Vec::new(),
            workloads: &[],
            environments: None,
            task: None,
            meant: &|_| None,
        }
    }

    fn compared(&self, path: &[&str], literal: &str) -> Option<Unlike> {
        let names = self.vocabulary;
        match path {
            // What nothing describes has empty texts.
            ["context", "environment"] | ["context", "identity", "kind" | "name" | "owner"]
                if literal.is_empty() =>
            {
                None
            }
            ["context", "environment" | "environments"] => {
                Unlike::names("the name of an environment", &names.environments, literal)
            }
            ["context", "identity", "kind"] => {
                let meant = suggest(literal, KINDS.into_iter()).map(str::to_owned);
                let expected = "`service`, `person`, `agent`, or empty";
                (!KINDS.contains(&literal)).then(|| Unlike::shape(expected, meant))
            }
            ["context", "task"] => Unlike::names("the name of a task", &names.tasks, literal),
            // What nothing is called may be meant to be kept out all the same.
            ["context", "identity", "name"] => {
                Unlike::misspelt("the name of an identity", &names.identities, literal)
            }
            ["context", "identity", "owner"] => {
                Unlike::misspelt("the owner of an identity", &names.owners, literal)
            }
            ["context", "identity", "tools"] => {
                Unlike::misspelt("a tool of an identity", &names.tools, literal)
            }
            ["context", "trust_domain"] => {
                Unlike::misspelt("a trust domain", &names.trust_domains, literal)
            }
            ["context", "segments" | "name"] => (!is_segment(literal))
                .then(|| Unlike::shape("one segment of a path, without `/`", None)),
            ["context", "time", "date"] => {
                (!is_date(literal)).then(|| Unlike::shape("a date such as `2026-01-31`", None))
            }
            ["context", "time", "hour"] => Unlike::range(literal, 0..=23),
            ["context", "time", "minute"] => Unlike::range(literal, 0..=59),
            ["context", "time", "weekday"] => {
                let unlike = Unlike::range(literal, 1..=7)?;
                Some(Unlike {
                    help: "write from 1, which is Monday, to 7, which is Sunday".to_owned(),
                    ..unlike
                })
            }
            _ => None,
        }
    }

    fn named(&self, kind: &str, id: &str, text: &str) -> Option<Mistake> {
        match kind {
            TASK if self.vocabulary.tasks.contains(id) => None,
            TASK => {
                let meant = suggest(id, self.vocabulary.tasks.iter().copied());
                let message = format!("there is no task `{id}`");
                Some(never(text, id, message, meant.map(str::to_owned)))
            }
            WORKLOAD => match id.parse::<SpiffeId>() {
                Ok(id) => self
                    .trust_domain(id.trust_domain().as_str(), text)
                    .or_else(|| self.segment(&[id.to_string()], id.as_str(), text)),
                Err(error) => {
                    let message = format!("no workload has the name `{id}`: {error}");
                    let help =
                        "name one workload exactly, or compare `context.path like \"/prod/ci/*\"`";
                    Some(never(text, id, message, None).help(help))
                }
            },
            _ => None,
        }
    }

    /// A workload or its path, or the beginning of one, that was likely meant to be another.
    fn written(&self, path: &[&str], beginning: &str, text: &str) -> Option<Mistake> {
        match path {
            ["context", "subject"] => {
                let (domain, _) = beginning.strip_prefix(SCHEME)?.split_once('/')?;
                self.trust_domain(domain, text)
                    .or_else(|| self.segment(&[beginning.to_owned()], beginning, text))
            }
            ["context", "path"] => {
                let domains = self.vocabulary.trust_domains.iter();
                let subjects = domains.map(|domain| format!("{SCHEME}{domain}{beginning}"));
                self.segment(&subjects.collect::<Vec<_>>(), beginning, text)
            }
            _ => None,
        }
    }

    /// A segment that is wrong in each of these workloads, and that was likely meant to be another.
    fn segment(&self, workloads: &[String], written: &str, text: &str) -> Option<Mistake> {
        let meant = workloads
            .iter()
            .map(|workload| self.meant_segment(workload));
        let (wrong, right) = meant.collect::<Option<Vec<_>>>()?.into_iter().next()?;
        let from = text.find(written)?;
        let behind = text.get(from..)?.find(&format!("/{wrong}"))?;
        let span = from + behind + 1..from + behind + 1 + wrong.len();
        let message = format!("no workload of an environment has the segment `{wrong}` there");
        let help = format!("did you mean `{right}`?");
        Some(Mistake {
            fix: Some((span.clone(), right)),
            ..Mistake::error(span, message).help(help).doubt()
        })
    }

    /// The first segment that is wrong, and what was likely meant, if that is one segment. The last one counts
    /// only if it is ended, for more may follow.
    fn meant_segment(&self, beginning: &str) -> Option<(String, String)> {
        let whole = match beginning.parse::<SpiffeId>() {
            Ok(_) => beginning.to_owned(),
            Err(_) => format!("{}/*", beginning.rsplit_once('/')?.0),
        };
        let meant = (self.meant)(&whole.parse().ok()?)?;
        let mut parts = whole.split('/').zip(meant.split('/'));
        let (wrong, right) = parts.find(|(one, other)| one != other)?;
        Some((wrong.to_owned(), right.to_owned()))
    }

    /// A trust domain that was likely meant to be another.
    fn trust_domain(&self, name: &str, text: &str) -> Option<Mistake> {
        if self.vocabulary.trust_domains.contains(name) {
            return None;
        }
        let meant = suggest(name, self.vocabulary.trust_domains.iter().copied())?;
        let message = format!("nothing else in this policy is of the trust domain `{name}`");
        Some(never(text, name, message, Some(meant.to_owned())).doubt())
    }
}

fn is_date(text: &str) -> bool {
    // Some years are written otherwise, and none of them is a time of ours.
    text.len() == "2026-01-31".len() && text.parse::<Date>().is_ok()
}

fn never(text: &str, literal: &str, message: String, meant: Option<String>) -> Mistake {
    let quoted = format!("\"{literal}\"");
    let at = text.find(&quoted).map(|at| at + 1);
    let at = at.or_else(|| text.find(literal).filter(|_| !literal.is_empty()));
    let span = at.map_or(0..text.len(), |at| at..at + literal.len());
    let mistake = Mistake::error(span.clone(), message);
    match meant {
        Some(meant) => Mistake {
            fix: at.map(|_| (span, meant.clone())),
            ..mistake
        }
        .help(format!("did you mean `{meant}`?")),
        None => mistake,
    }
}
