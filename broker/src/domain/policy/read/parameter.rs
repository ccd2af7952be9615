//! `params.NAME = { type = …, … }`.

use std::collections::BTreeSet;
use std::sync::Arc;

use taskpass_proto::limits::MAX_PARAMETER_BYTES;

use toml::de::DeValue;

use super::entry::{Entry, Key};
use super::section::Section;
use super::value_pattern::value_pattern;
use crate::domain::policy::diagnostic::Diagnostic;
use crate::domain::policy::parameter::{Parameter, ParameterKind};
use crate::domain::policy::report::Report;
use crate::domain::policy::suggest::suggest;

const TYPE: Key<'static> = Key::new("type", "\"token\"");
const PATTERN: Key<'static> = Key::new("pattern", "\"release-[0-9]+\"");
const VALUES: Key<'static> = Key::new("values", "[\"blue\", \"green\"]");
const MIN: Key<'static> = Key::new("min", "1");
const MAX: Key<'static> = Key::new("max", "100");
const OPTIONAL: Key<'static> = Key::new("optional", "true");
const TYPES: [&str; 6] = ["one_of", "integer", "boolean", "token", "path", "text"];
const MAX_VALUES: usize = 1024;

/// Reads a parameter. `None` when its type is not known; other mistakes are reported and passed over.
pub(super) fn parameter(mut section: Section<'_>, report: &mut Report) -> Option<Parameter> {
    let Some(kind) = section.required(TYPE, report) else {
        section.pass_over(&[PATTERN, VALUES, MIN, MAX, OPTIONAL]);
        section.finish_with(|key, _| required(key), report);
        return None;
    };
    let name = kind.string(report)?;
    let kind = match name.value {
        "one_of" => ParameterKind::OneOf(
            section
                .required(VALUES, report)
                .map(|entry| values(entry, report))
                .unwrap_or_default(),
        ),
        "integer" => integer(&mut section, report),
        "boolean" => ParameterKind::Boolean,
        "token" => ParameterKind::Token,
        "path" => ParameterKind::Path,
        "text" => ParameterKind::Text,
        unknown => {
            let message = format!("unknown type `{}`", unknown.escape_debug());
            let finding = Diagnostic::error(name.place.clone(), message);
            report.push(
                match usual_type(unknown).or_else(|| suggest(unknown, TYPES.into_iter())) {
                    Some(meant) => finding.meant(name.place, meant),
                    None => finding.help(format!(
                    "the types are `{}`: `token` or `path` for what is part of a scope, `text` for the record",
                    TYPES.join("`, `")
                )),
                },
            );
            return None;
        }
    };
    let pattern = match kind {
        ParameterKind::Token | ParameterKind::Path | ParameterKind::Text => section
            .optional(PATTERN)
            .and_then(|entry| value_pattern(entry, &kind, report)),
        ParameterKind::OneOf(_) | ParameterKind::Integer { .. } | ParameterKind::Boolean => {
            let why =
                "has no meaning for this type: only `token`, `path` and `text` are narrowed by one";
            let help = "remove it, or give the parameter the type `token` or `path`";
            section.refuse(&["pattern"], why, help, report);
            None
        }
    };
    let is_optional = section
        .optional(OPTIONAL)
        .and_then(|entry| entry.boolean(report));
    section.finish_with(|key, _| required(key), report);
    Some(Parameter {
        kind,
        pattern,
        is_optional: is_optional.unwrap_or(false),
    })
}

/// What other languages call the types.
fn usual_type(name: &str) -> Option<&'static str> {
    Some(match &*name.to_ascii_lowercase() {
        "enum" | "choice" | "select" => "one_of",
        "int" | "number" | "long" | "uint" => "integer",
        "bool" => "boolean",
        _ => return None,
    })
}

/// `required = true` is what every parameter is.
fn required(key: &str) -> Option<String> {
    match key {
        "required" => Some(
            "remove it: every parameter is required, unless it says `optional = true`".to_owned(),
        ),
        "default" => Some(
            "remove it: a parameter has no default; one that may be missing says `optional = true`"
                .to_owned(),
        ),
        "values" => Some("give the parameter the type `one_of`, or remove `values`".to_owned()),
        "min" | "max" => Some("give the parameter the type `integer`, or remove it".to_owned()),
        _ => None,
    }
}

fn values(entry: Entry<'_>, report: &mut Report) -> Vec<Arc<str>> {
    let Some(values) = entry.strings(report) else {
        return Vec::new();
    };
    let listed = match entry.value.get_ref() {
        DeValue::Array(items) => items.len(),
        _ => values.len(),
    };
    if listed == 0 || listed > MAX_VALUES {
        let message = format!("`values` lists 1 to {MAX_VALUES} values");
        entry.refuse::<()>(entry.place(), message, report);
    }
    let mut seen = BTreeSet::new();
    for value in &values {
        let wrong = if value.value.is_empty() {
            "a value is not empty"
        } else if value.value.len() > MAX_PARAMETER_BYTES {
            "a value is at most 1024 bytes long"
        } else if !seen.insert(value.value) {
            let twice = Diagnostic::error(value.place.clone(), "the value is listed twice");
            report.push(twice.help("remove one of the two"));
            continue;
        } else {
            continue;
        };
        entry.refuse::<()>(value.place.clone(), wrong.to_owned(), report);
    }
    values.into_iter().map(|value| value.value.into()).collect()
}

fn integer(section: &mut Section<'_>, report: &mut Report) -> ParameterKind {
    let min = section
        .optional(MIN)
        .and_then(|entry| entry.integer(report));
    let max = section
        .optional(MAX)
        .and_then(|entry| entry.integer(report));
    if let (Some(min), Some(max)) = (&min, &max)
        && min.value > max.value
    {
        let message = format!(
            "`max` is {}, below `min`, which is {}",
            max.value, min.value
        );
        let empty = Diagnostic::error(max.place.clone(), message).help("exchange the two");
        report.push(empty.related(min.place.clone(), "`min` is here"));
    }
    ParameterKind::Integer {
        min: min.map_or(i64::MIN, |min| min.value),
        max: max.map_or(i64::MAX, |max| max.value),
    }
}
