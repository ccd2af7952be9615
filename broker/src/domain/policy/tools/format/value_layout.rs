//! How values are broken into lines.

use super::value::{Part, Value};

/// Columns of a line.
const WIDTH: usize = 80;
const INDENT: &str = "  ";

/// Writes a value whose first line begins at `column`, with its other lines indented by `depth`.
pub(super) fn write(text: &mut String, value: &Value, column: usize, depth: usize) {
    match value {
        Value::Scalar(scalar) => text.push_str(scalar),
        Value::Array(parts) => match one_line(value, column, depth) {
            Some(line) => text.push_str(&line),
            None => broken(text, parts, depth),
        },
        Value::Table(_) => text.extend(joined(value)),
    }
}

/// The value on one line, where it goes there: without comments, not too long, and a list of rows is no line,
/// while a row is one, however long. Tables have no line breaks: TOML 1.0 knows none there.
fn one_line(value: &Value, column: usize, depth: usize) -> Option<String> {
    let line = joined(value)?;
    let fits = match value {
        Value::Scalar(_) | Value::Table(_) => true,
        Value::Array(parts) => {
            let is_short = depth > 0 || column + line.chars().count() <= WIDTH;
            is_short && !are_rows(parts)
        }
    };
    fits.then_some(line)
}

fn joined(value: &Value) -> Option<String> {
    let inner = |parts: &[Part]| -> Option<Vec<String>> { parts.iter().map(part).collect() };
    Some(match value {
        Value::Scalar(scalar) => scalar.clone(),
        Value::Array(parts) => format!("[{}]", inner(parts)?.join(", ")),
        Value::Table(parts) if parts.is_empty() => "{}".to_owned(),
        Value::Table(parts) => format!("{{ {} }}", inner(parts)?.join(", ")),
    })
}

fn part(part: &Part) -> Option<String> {
    match part {
        Part::Item {
            key,
            value,
            comment: None,
        } => {
            let value = joined(value)?;
            Some(match key {
                Some(key) => format!("{key} = {value}"),
                None => value,
            })
        }
        Part::Item { .. } | Part::Comment(_) => None,
    }
}

fn are_rows(parts: &[Part]) -> bool {
    let is_row = |part: &Part| {
        let value = match part {
            Part::Item { value, .. } => value,
            Part::Comment(_) => return false,
        };
        matches!(value, Value::Array(_))
    };
    parts.len() > 1 && parts.iter().any(is_row)
}

fn broken(text: &mut String, parts: &[Part], depth: usize) {
    let indent = INDENT.repeat(depth + 1);
    text.push_str("[\n");
    for part in parts {
        text.push_str(&indent);
        match part {
            Part::Comment(comment) => text.push_str(comment),
            Part::Item { value, comment, .. } => {
                write(text, value, indent.len() + 1, depth + 1);
                text.push(',');
                if let Some(comment) = comment {
                    text.extend([" ", comment]);
                }
            }
        }
        text.push('\n');
    }
    text.push_str(&INDENT.repeat(depth));
    text.push(']');
}
