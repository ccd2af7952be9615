//! A list or an inline table that is never closed.

use crate::domain::policy::diagnostic::Diagnostic;
use crate::domain::policy::source::SourceText;

/// Reports the first bracket of a value behind which the next key, the next header or the end of the file comes
/// instead of its end.
pub(super) fn unclosed(text: &SourceText<'_>) -> Option<Diagnostic> {
    let content = text.content();
    let mut open: Vec<(usize, char)> = Vec::new();
    // Behind the last byte that says something.
    let mut last = 0;
    let mut at = 0;
    let mut is_line_start = true;
    while let Some(rest) = content.get(at..).filter(|rest| !rest.is_empty()) {
        if is_line_start {
            if let Some(innermost) = open.last().copied()
                && begins_something_else(rest, innermost.1, is_between(content, last))
            {
                return Some(finding(text, innermost, last));
            }
            is_line_start = false;
            if open.is_empty() && rest.trim_start_matches([' ', '\t']).starts_with('[') {
                at += rest.find('\n').unwrap_or(rest.len());
                continue;
            }
        }
        let character = rest.chars().next()?;
        let step = match character {
            '\n' => {
                is_line_start = true;
                1
            }
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '"' | '\'' => string(rest, character)?,
            _ => character.len_utf8(),
        };
        match character {
            '[' | '{' => open.push((at, character)),
            ']' | '}' => match open.pop() {
                Some(innermost) if (innermost.1 == '[') != (character == ']') => {
                    return Some(finding(text, innermost, last));
                }
                Some(_) | None => {}
            },
            _ => {}
        }
        if !character.is_whitespace() && character != '#' {
            last = at + step;
        }
        at += step;
    }
    open.last().map(|innermost| finding(text, *innermost, last))
}

/// Bytes of a string; none when it does not end, which is another mistake.
fn string(rest: &str, quote: char) -> Option<usize> {
    let triple: String = [quote; 3].iter().collect();
    if rest.starts_with(&triple) {
        let (begin, end) = (triple.len(), rest.get(triple.len()..)?.find(&triple)?);
        return Some(begin + end + triple.len());
    }
    let mut is_escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        match character {
            '\n' => return None,
            _ if is_escaped => is_escaped = false,
            '\\' if quote == '"' => is_escaped = true,
            _ if character == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// Whether another key or value is to come after what stands before.
fn is_between(content: &str, last: usize) -> bool {
    content
        .get(..last)
        .is_some_and(|before| before.ends_with([',', '{', '[', '=']))
}

/// Whether a line begins a table, or a key where a list cannot have one.
fn begins_something_else(rest: &str, open: char, is_between: bool) -> bool {
    let line = rest.lines().next().unwrap_or_default().trim();
    let is_bare = |c: char| c.is_ascii_alphanumeric() || "_-.\"/ ".contains(c);
    if let Some(inner) = line.strip_prefix('[') {
        let inner = inner.trim_start_matches('[');
        return inner.starts_with(|c: char| c.is_ascii_lowercase())
            && inner
                .split(']')
                .next()
                .is_some_and(|name| name.chars().all(is_bare));
    }
    let key = line.split_once('=').map(|(key, _)| key.trim_end());
    (open == '[' || !is_between)
        && key
            .is_some_and(|key| !key.is_empty() && !key.starts_with('"') && key.chars().all(is_bare))
}

fn finding(text: &SourceText<'_>, (at, open): (usize, char), last: usize) -> Diagnostic {
    let (what, close) = if open == '[' {
        ("list", "]")
    } else {
        ("inline table", "}")
    };
    let end = text.place(last..last);
    Diagnostic::error(
        text.place(at..at + 1),
        format!("the {what} that begins here is not closed"),
    )
    .help(format!("add `{close}` at the end of line {}", end.line))
    .fix(end, close)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_bracket_that_is_open() {
        let table = [
            ("a = [1, 2\nb = 3\n", Some((1, 5, 1))),
            (
                "a = [\n  \"x\", # ]\n  \"y\"\n\n[task.b]\n",
                Some((1, 5, 3)),
            ),
            (
                "[a]\nb = { c = 1\n[[task.\"x/y\".grant]]\n",
                Some((2, 5, 2)),
            ),
            ("a = [[1], [2]\n", Some((1, 5, 1))),
            ("a = { b = [1 }\nc = 2", Some((1, 11, 1))),
            ("a = [\n  [\"x\", 1],\n  [\"y\", 2],\n]\n[b]\n", None),
            ("a = \"[\"\nb = '['\nc = '''[\n'''\n", None),
            ("a = \"[\n", None),
            ("a = { b = 1,\n  c = 2 }\n", None),
            ("a = { b = 1\nc = 2\n", Some((1, 5, 1))),
        ];
        for (content, expected) in table {
            let text = SourceText::new("a.toml".into(), content);
            let found = unclosed(&text).map(|found| {
                (
                    found.place.line,
                    found.place.column,
                    found.fix.unwrap().place.line,
                )
            });
            assert_eq!(found, expected, "{content}");
        }
    }
}
