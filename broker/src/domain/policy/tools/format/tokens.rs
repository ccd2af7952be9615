//! TOML in pieces, blanks left out.

use toml_parser::Source;
use toml_parser::lexer::{Token, TokenKind};

/// The tokens of a text that is known to be TOML.
pub(super) struct Tokens<'a> {
    text: &'a str,
    source: Source<'a>,
    /// Where the last one that was taken ends.
    end: usize,
    ahead: std::iter::Peekable<std::vec::IntoIter<Token>>,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let source = Source::new(text);
        let tokens = source.lex().into_vec();
        Self {
            text,
            source,
            end: 0,
            ahead: tokens.into_iter().peekable(),
        }
    }

    /// The kind of the next token that is no blank.
    pub(super) fn peek(&mut self) -> TokenKind {
        while let Some(token) = self.ahead.peek() {
            if token.kind() != TokenKind::Whitespace {
                return token.kind();
            }
            self.ahead.next();
        }
        TokenKind::Eof
    }

    /// The next token that is no blank.
    pub(super) fn next(&mut self) -> (TokenKind, &'a str) {
        self.peek();
        self.next_raw()
    }

    /// Where the next token that is no blank begins.
    pub(super) fn begin(&mut self) -> usize {
        self.peek();
        self.ahead
            .peek()
            .map_or(self.end, |token| token.span().start())
    }

    /// The text from there to the end of the last token that was taken.
    pub(super) fn since(&self, begin: usize) -> Option<&'a str> {
        self.text.get(begin..self.end)
    }

    /// The next token, blanks included: they are part of some dates.
    pub(super) fn next_raw(&mut self) -> (TokenKind, &'a str) {
        match self.ahead.next() {
            Some(token) => {
                self.end = token.span().end();
                let text = self.source.get(token).map(|raw| raw.as_str());
                (token.kind(), text.unwrap_or_default())
            }
            None => (TokenKind::Eof, ""),
        }
    }

    /// The kind of the next token, blanks included.
    pub(super) fn peek_raw(&mut self) -> TokenKind {
        self.ahead.peek().map_or(TokenKind::Eof, Token::kind)
    }

    /// The next token, if it is of this kind.
    pub(super) fn take(&mut self, kind: TokenKind) -> Option<&'a str> {
        (self.peek() == kind).then(|| self.next().1)
    }

    /// The texts of all comments.
    pub(super) fn comments(mut self) -> Vec<&'a str> {
        let mut comments = Vec::new();
        loop {
            match self.next() {
                (TokenKind::Comment, text) => comments.push(text.trim_end()),
                (TokenKind::Eof, _) => return comments,
                _ => {}
            }
        }
    }
}

/// A key or a string in its plainest spelling.
pub(super) fn key(kind: TokenKind, text: &str) -> String {
    let inner = match kind {
        TokenKind::BasicString | TokenKind::LiteralString => text.get(1..text.len() - 1),
        _ => None,
    };
    let is_bare = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    match inner {
        Some(inner) if !inner.is_empty() && inner.bytes().all(is_bare) => inner.to_owned(),
        _ => string(kind, text),
    }
}

/// A string in double quotes where nothing needs another spelling; every other token as it is.
pub(super) fn string(kind: TokenKind, text: &str) -> String {
    let inner = match kind {
        TokenKind::LiteralString => text.get(1..text.len() - 1),
        _ => None,
    };
    match inner {
        Some(inner) if !inner.contains(['"', '\\']) => format!("\"{inner}\""),
        _ => text.to_owned(),
    }
}
