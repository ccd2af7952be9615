//! What is written twice in one file.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use crate::domain::policy::diagnostic::Diagnostic;
use crate::domain::policy::source::SourceText;

/// A key or a table that stands there already.
pub(super) fn finding(
    text: &SourceText<'_>,
    tables: &DeTable<'_>,
    span: Range<usize>,
) -> Diagnostic {
    let found = Diagnostic::error(text.place(span.clone()), "duplicate key");
    let line = text.line_of(span.start).trim();
    if let Some(finding) = one_bracket(text, line, span.start) {
        return finding;
    }
    let found = found.help("keep one of them, or give one another name");
    let found = match inner_of_single(line) {
        Some(name) => Diagnostic {
            message: format!("the table `{name}` stands there already"),
            ..found
        },
        None => found,
    };
    let first = if line.starts_with('[') {
        header_before(text.content(), span.start, |other| other == line)
    } else {
        let key = text.content().get(span.clone()).unwrap_or_default();
        last_key(tables, key.trim_matches(['"', '\'']), span.start)
    };
    match first {
        Some(first) => found.related(text.place(first), "first written here"),
        None => found,
    }
}

/// `[task.a.grant]` beside `[[task.a.grant]]`: the one bracket is the mistake, wherever it stands.
fn one_bracket(text: &SourceText<'_>, line: &str, at: usize) -> Option<Diagnostic> {
    let content = text.content();
    let (single, double) = if let Some(inner) = inner(line, "[[", "]]") {
        let before = |other: &str| inner_of_single(other) == Some(inner);
        (header_before(content, at, before)?, inner)
    } else {
        let own = inner_of_single(line)?;
        header_before(content, at, |other| inner(other, "[[", "]]") == Some(own))?;
        let start = content
            .get(..at)?
            .rfind('\n')
            .map_or(0, |newline| newline + 1);
        let start = start + content.get(start..)?.find('[')?;
        let end = start + content.get(start..)?.find(']')? + 1;
        (start..end, own)
    };
    let place = text.place(single);
    let message = format!("`{double}` is a list of tables, and this header makes it one table");
    let header = format!("[[{double}]]");
    let finding = Diagnostic::error(place.clone(), message);
    Some(
        finding
            .help(format!("write the header with two brackets: `{header}`"))
            .fix(place, header),
    )
}

fn inner<'a>(line: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let (inner, _) = line.strip_prefix(open)?.split_once(close)?;
    Some(inner.trim())
}

fn inner_of_single(line: &str) -> Option<&str> {
    if line.starts_with("[[") {
        return None;
    }
    inner(line, "[", "]")
}

/// Where a header stands before.
fn header_before(
    content: &str,
    before: usize,
    is_it: impl Fn(&str) -> bool,
) -> Option<Range<usize>> {
    let mut start = 0;
    for line in content.split_inclusive('\n') {
        let header = line.trim();
        let indent = line.len() - line.trim_start().len();
        let end = start + indent + header.len();
        if end <= before && header.starts_with('[') && is_it(header) {
            return Some(start + indent..end);
        }
        start += line.len();
    }
    None
}

/// Where a key was written last before.
fn last_key(tables: &DeTable<'_>, key: &str, before: usize) -> Option<Range<usize>> {
    let mut places = Vec::new();
    collect(tables, key, &mut places);
    places.retain(|place| place.end <= before);
    places.into_iter().max_by_key(|place| place.start)
}

fn collect(tables: &DeTable<'_>, key: &str, places: &mut Vec<Range<usize>>) {
    for (name, value) in tables {
        if name.get_ref() == key {
            places.push(name.span());
        }
        match value.get_ref() {
            DeValue::Table(below) => collect(below, key, places),
            DeValue::Array(items) => {
                for item in items {
                    if let DeValue::Table(below) = item.get_ref() {
                        collect(below, key, places);
                    }
                }
            }
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => {}
        }
    }
}
