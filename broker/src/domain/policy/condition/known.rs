//! Comparisons with what a policy never has.

use std::collections::BTreeSet;

use super::look::Looks;
use super::mistake::Mistake;
use super::schema::{TASK, WORKLOAD};
use crate::domain::policy::parameter::{Parameter, ParameterKind};
use crate::domain::policy::suggest::suggest;

/// Whether a task of a name exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::domain::policy) enum TaskName {
    /// It does.
    Known,
    /// It does not, and perhaps this one was meant.
    Unknown(Option<String>),
}

/// What values the names in a policy have, so that a misspelt one is found.
pub(in crate::domain::policy) struct Known<'a> {
    pub(in crate::domain::policy) environments: &'a BTreeSet<&'a str>,
    pub(in crate::domain::policy) tasks: &'a dyn Fn(&str) -> TaskName,
    pub(in crate::domain::policy) parameters: &'a dyn Fn(&str) -> Vec<Parameter>,
}

const KINDS: [&str; 4] = ["service", "person", "agent", ""];

/// Comparisons that can never hold, and names that nothing has.
pub(in crate::domain::policy) fn explain(
    looks: &Looks,
    known: &Known<'_>,
    text: &str,
) -> Vec<Mistake> {
    let compared = looks.compared().filter_map(|(path, literal)| {
        let path: Vec<_> = path.iter().map(String::as_str).collect();
        let (expected, meant) = match path.as_slice() {
            ["context", "environment"] if literal.is_empty() => return None,
            ["context", "environment" | "environments"] => {
                if known.environments.contains(literal) {
                    return None;
                }
                let meant = suggest(literal, known.environments.iter().copied());
                (
                    "the name of an environment of this policy".to_owned(),
                    meant.map(ToOwned::to_owned),
                )
            }
            ["context", "identity", "kind"] => {
                if KINDS.contains(&literal) {
                    return None;
                }
                let meant = suggest(literal, KINDS.into_iter());
                (
                    "`service`, `person`, `agent`, or empty".to_owned(),
                    meant.map(ToOwned::to_owned),
                )
            }
            ["context", "task"] => match (known.tasks)(literal) {
                TaskName::Known => return None,
                TaskName::Unknown(meant) => ("the name of a task of this policy".to_owned(), meant),
            },
            ["context", "time", "hour"] => number(literal, 0..=23)?,
            ["context", "time", "minute"] => number(literal, 0..=59)?,
            ["context", "time", "weekday"] => number(literal, 1..=7)?,
            ["context", "params", name] => parameter(&(known.parameters)(name), literal)?,
            _ => return None,
        };
        let help = match path.as_slice() {
            ["context", "params", name] => {
                format!(
                    "compare with a value that parameter `{name}` takes, or let it take this one"
                )
            }
            ["context", "task"] => "name a task of this policy".to_owned(),
            ["context", "environment" | "environments"] => {
                let names: Vec<_> = known.environments.iter().take(8).copied().collect();
                format!("the environments are `{}`", names.join("`, `"))
            }
            _ => format!("write {expected}"),
        };
        let path = path.join(".");
        let message = format!("`{path}` is never {literal:?}: it is {expected}");
        let mistake = never(text, literal, message, meant);
        Some(if mistake.help.is_none() {
            mistake.help(help)
        } else {
            mistake
        })
    });
    let named =
        looks.entities().filter_map(|(kind, id)| match kind {
            TASK => match (known.tasks)(id) {
                TaskName::Known => None,
                TaskName::Unknown(meant) => {
                    Some(never(text, id, format!("there is no task `{id}`"), meant))
                }
            },
            WORKLOAD => {
                id.parse::<taskpass_identity::SpiffeId>()
                    .err()
                    .map(|error| {
                        never(text, id, format!("no workload has the name `{id}`: {error}"), None)
                .help("name one workload exactly, or compare `context.path like \"/prod/ci/*\"`")
                    })
            }
            _ => None,
        });
    compared.chain(named).collect()
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

fn number(literal: &str, range: std::ops::RangeInclusive<i64>) -> Option<(String, Option<String>)> {
    let number: i64 = literal.parse().ok()?;
    (!range.contains(&number)).then(|| (format!("from {} to {}", range.start(), range.end()), None))
}

fn parameter(declared: &[Parameter], literal: &str) -> Option<(String, Option<String>)> {
    if declared.iter().any(|parameter| parameter.accepts(literal)) {
        return None;
    }
    let first = declared.first()?;
    let meant = match &first.kind {
        ParameterKind::OneOf(values) => suggest(literal, values.iter().map(|value| &**value)),
        _ => None,
    };
    Some((first.expected(), meant.map(ToOwned::to_owned)))
}
