//! A value with the comments inside.

use toml_parser::lexer::TokenKind;

use super::tokens::{Tokens, key, string};

/// How deep values are read; TOML itself is refused before.
const MAX_DEPTH: usize = 200;

#[derive(Debug)]
pub(super) enum Value {
    /// What stands as it is: a table with comments in it, too. In another form than its own it would have line
    /// breaks where TOML 1.0 has none.
    Scalar(String),
    Array(Vec<Part>),
    /// An inline table without comments.
    Table(Vec<Part>),
}

/// What stands in an array or an inline table.
#[derive(Debug)]
pub(super) enum Part {
    Item {
        /// In tables only.
        key: Option<String>,
        value: Value,
        /// On the same line, behind it.
        comment: Option<String>,
    },
    /// On a line of its own.
    Comment(String),
}

/// Reads a value; none where it is no TOML.
pub(super) fn value(tokens: &mut Tokens<'_>, depth: usize) -> Option<Value> {
    if depth > MAX_DEPTH {
        return None;
    }
    match tokens.peek() {
        TokenKind::LeftSquareBracket => {
            let parts = parts(tokens, TokenKind::RightSquareBracket, depth)?;
            Some(Value::Array(parts))
        }
        TokenKind::LeftCurlyBracket => {
            let begin = tokens.begin();
            let parts = parts(tokens, TokenKind::RightCurlyBracket, depth)?;
            if has_comments(&parts) {
                return Some(Value::Scalar(tokens.since(begin)?.to_owned()));
            }
            Some(Value::Table(parts))
        }
        _ => scalar(tokens).map(Value::Scalar),
    }
}

fn has_comments(parts: &[Part]) -> bool {
    parts.iter().any(|part| match part {
        Part::Comment(_)
        | Part::Item {
            comment: Some(_), ..
        } => true,
        Part::Item {
            value: Value::Array(parts),
            ..
        } => has_comments(parts),
        Part::Item {
            value: Value::Scalar(_) | Value::Table(_),
            ..
        } => false,
    })
}

/// Reads `a.b.c`.
pub(super) fn dotted_key(tokens: &mut Tokens<'_>) -> Option<String> {
    let mut keys = Vec::new();
    loop {
        let (kind, text) = tokens.next();
        keys.push(match kind {
            TokenKind::Atom | TokenKind::BasicString | TokenKind::LiteralString => key(kind, text),
            _ => return None,
        });
        if tokens.take(TokenKind::Dot).is_none() {
            return Some(keys.join("."));
        }
    }
}

fn scalar(tokens: &mut Tokens<'_>) -> Option<String> {
    let (kind, text) = tokens.next();
    match kind {
        TokenKind::BasicString
        | TokenKind::LiteralString
        | TokenKind::MlBasicString
        | TokenKind::MlLiteralString => return Some(string(kind, text)),
        TokenKind::Atom => {}
        _ => return None,
    }
    // Fractions and times are several tokens; a date and its time may have a blank between them.
    let mut whole = text.to_owned();
    loop {
        match tokens.peek_raw() {
            TokenKind::Atom | TokenKind::Dot => whole.push_str(tokens.next_raw().1),
            TokenKind::Whitespace if tokens.peek() == TokenKind::Atom => {
                whole.push(' ');
                whole.push_str(tokens.next_raw().1);
            }
            _ => return Some(whole),
        }
    }
}

fn parts(tokens: &mut Tokens<'_>, close: TokenKind, depth: usize) -> Option<Vec<Part>> {
    tokens.next();
    let mut parts: Vec<Part> = Vec::new();
    // Whether a comment that comes now stands behind the last item.
    let mut is_behind = false;
    loop {
        match tokens.peek() {
            TokenKind::Newline => {
                tokens.next();
                is_behind = false;
            }
            TokenKind::Comma => {
                tokens.next();
            }
            TokenKind::Comment => {
                let text = tokens.next().1.trim_end().to_owned();
                match parts.last_mut() {
                    Some(Part::Item { comment, .. }) if is_behind && comment.is_none() => {
                        *comment = Some(text);
                    }
                    _ => parts.push(Part::Comment(text)),
                }
            }
            TokenKind::Eof => return None,
            kind if kind == close => {
                tokens.next();
                return Some(parts);
            }
            _ => {
                let key = if close == TokenKind::RightCurlyBracket {
                    let key = dotted_key(tokens)?;
                    tokens.take(TokenKind::Equals)?;
                    Some(key)
                } else {
                    None
                };
                parts.push(Part::Item {
                    key,
                    value: value(tokens, depth + 1)?,
                    comment: None,
                });
                is_behind = true;
            }
        }
    }
}
