//! The lines of a file, and the blank ones between them.

use toml_parser::lexer::TokenKind;

use super::tokens::Tokens;
use super::value::{dotted_key, value};
use super::value_layout;

/// One thing that begins on a line of its own.
#[derive(Debug)]
pub(super) enum Line {
    Blank,
    Comment(String),
    /// `[a.b]` or `[[a.b]]`, with what stands behind it.
    Header(String),
    /// `key = value`, perhaps several lines.
    Entry(String),
}

/// Reads a file, each thing in its form; none where it is no TOML.
pub(super) fn lines(tokens: &mut Tokens<'_>) -> Option<Vec<Line>> {
    let mut lines = Vec::new();
    loop {
        match tokens.peek() {
            TokenKind::Eof => return Some(lines),
            TokenKind::Newline => {
                tokens.next();
                lines.push(Line::Blank);
                continue;
            }
            TokenKind::Comment => lines.push(Line::Comment(comment(tokens))),
            TokenKind::LeftSquareBracket => {
                let header = header(tokens)?;
                lines.push(Line::Header(with_comment(header, tokens)));
            }
            _ => {
                let entry = entry(tokens)?;
                lines.push(Line::Entry(with_comment(entry, tokens)));
            }
        }
        // The end of what was read, and no blank line.
        tokens.take(TokenKind::Newline);
    }
}

/// Puts lines together: one blank line before a header and the comments above it, none behind it, never two.
pub(super) fn laid_out(lines: &[Line]) -> String {
    let mut text = String::new();
    let mut is_blank_due = false;
    let mut is_behind_header = false;
    for (at, line) in lines.iter().enumerate() {
        let content = match line {
            Line::Blank => {
                is_blank_due = true;
                continue;
            }
            Line::Comment(content) | Line::Header(content) | Line::Entry(content) => content,
        };
        let begins_table = !is_in_comments(lines, at) && leads_to_header(lines, at);
        let is_apart = (is_blank_due && !is_behind_header) || begins_table;
        if is_apart && !text.is_empty() {
            text.push('\n');
        }
        text.extend([content, "\n"]);
        is_blank_due = false;
        is_behind_header = matches!(line, Line::Header(_));
    }
    text
}

/// Whether the line before is a comment, too.
fn is_in_comments(lines: &[Line], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| lines.get(before));
    matches!(before, Some(Line::Comment(_)))
}

/// Whether this is a header, or comments that stand directly above one.
fn leads_to_header(lines: &[Line], at: usize) -> bool {
    let mut rest = lines.iter().skip(at);
    let next = rest.find(|line| !matches!(line, Line::Comment(_)));
    matches!(next, Some(Line::Header(_)))
}

fn comment(tokens: &mut Tokens<'_>) -> String {
    tokens.next().1.trim_end().to_owned()
}

fn with_comment(line: String, tokens: &mut Tokens<'_>) -> String {
    if tokens.peek() == TokenKind::Comment {
        format!("{line} {}", comment(tokens))
    } else {
        line
    }
}

fn header(tokens: &mut Tokens<'_>) -> Option<String> {
    tokens.next();
    let is_array = tokens.take(TokenKind::LeftSquareBracket).is_some();
    let key = dotted_key(tokens)?;
    tokens.take(TokenKind::RightSquareBracket)?;
    if is_array {
        tokens.take(TokenKind::RightSquareBracket)?;
        Some(format!("[[{key}]]"))
    } else {
        Some(format!("[{key}]"))
    }
}

fn entry(tokens: &mut Tokens<'_>) -> Option<String> {
    let key = dotted_key(tokens)?;
    tokens.take(TokenKind::Equals)?;
    let value = value(tokens, 0)?;
    let mut text = format!("{key} = ");
    let column = text.chars().count();
    value_layout::write(&mut text, &value, column, 0);
    Some(text)
}
