//! From bytes to TOML.

use std::ops::Range;

use toml::de::{DeTable, DeValue, Error};

use crate::domain::policy::diagnostic::Diagnostic;
use crate::domain::policy::report::Report;
use crate::domain::policy::source::{SourceFile, SourceText};

/// The file's text; reported when it is not UTF-8.
pub(super) fn text<'a>(file: &'a SourceFile, report: &mut Report) -> Option<SourceText<'a>> {
    let error = match std::str::from_utf8(&file.bytes) {
        Ok(content) => return Some(SourceText::new(file.name.clone(), content)),
        Err(error) => error,
    };
    let valid = file.bytes.get(..error.valid_up_to()).unwrap_or_default();
    let valid = SourceText::new(
        file.name.clone(),
        std::str::from_utf8(valid).unwrap_or_default(),
    );
    let place = valid.place(error.valid_up_to()..error.valid_up_to());
    let finding = Diagnostic::error(place, "the file is not UTF-8 from here on");
    report.push(finding.help("save the file in the encoding UTF-8"));
    report.set_partial();
    None
}

/// The file's tables; reported when it is not TOML.
pub(super) fn tables<'a>(text: &'a SourceText<'a>, report: &mut Report) -> Option<DeTable<'a>> {
    let (tables, errors) = DeTable::parse_recoverable(text.content());
    if errors.is_empty() {
        return Some(tables.into_inner());
    }
    report.set_partial();
    for error in errors {
        // What is only counted need not be explained.
        report.push(if report.is_full() {
            Diagnostic::error(text.place(error.span().unwrap_or(0..0)), error.message())
        } else {
            finding(text, tables.get_ref(), &error)
        });
    }
    None
}

fn finding(text: &SourceText<'_>, tables: &DeTable<'_>, error: &Error) -> Diagnostic {
    let span = error.span().unwrap_or(0..0);
    let found = Diagnostic::error(text.place(span.clone()), error.message());
    let line = text.line_of(span.start).trim_start();
    let is_header = line.starts_with('[');
    if error.message().contains("duplicate key") {
        let found = found.help("keep one of them, or give one another name");
        let first = if is_header {
            first_header(text.content(), line, span.start)
        } else {
            let key = text.content().get(span.clone()).unwrap_or_default();
            last_key(tables, key.trim_matches(['"', '\'']), span.start)
        };
        return match first {
            Some(first) => found.related(text.place(first), "first written here"),
            None => found,
        };
    }
    if is_header && line.contains('/') && !line.contains('"') {
        return found.help("names with `/` are quoted, as in `[task.\"ci/build\"]`");
    }
    if error.message().starts_with("string values must be quoted") {
        return found.help("write text between `\"` and `\"`");
    }
    found
}

/// Where the same header stands before.
fn first_header(content: &str, header: &str, before: usize) -> Option<Range<usize>> {
    let header = header.trim_end();
    let mut start = 0;
    for line in content.split_inclusive('\n') {
        let indent = line.len() - line.trim_start().len();
        if start + indent + header.len() <= before && line.trim() == header {
            return Some(start + indent..start + indent + header.len());
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
