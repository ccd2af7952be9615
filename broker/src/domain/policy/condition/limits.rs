//! What a Cedar text may be before a parser sees it: parsers and evaluators are recursive.

use std::ops::Range;

/// Bytes of a condition.
pub(in crate::domain::policy) const LONGEST_CONDITION: usize = 4 * 1024;
/// Bytes of one statement of a guardrail file.
pub(in crate::domain::policy) const LONGEST_GUARDRAIL: usize = 16 * 1024;
/// Brackets within brackets.
const DEEPEST: usize = 12;
/// Operators, each of which may be a level of the tree.
const MOST_OPERATORS: usize = 128;

/// What is too much about a text, and where.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::domain::policy) struct TooMuch {
    /// Byte offsets into the text.
    pub(in crate::domain::policy) span: Range<usize>,
    pub(in crate::domain::policy) message: String,
}

/// Reports a text that is too long, too deeply nested, or has too many operators. Strings and comments are
/// passed over.
pub(in crate::domain::policy) fn check(text: &str, longest: usize) -> Result<(), TooMuch> {
    if text.len() > longest {
        return Err(TooMuch {
            span: 0..0,
            message: format!(
                "the text has {} bytes, and at most {longest} are read",
                text.len()
            ),
        });
    }
    let (mut depth, mut operators) = (0_usize, 0_usize);
    for (at, token) in Tokens::new(text) {
        match token {
            Token::Open => depth += 1,
            Token::Close => depth = depth.saturating_sub(1),
            Token::Operator => operators += 1,
            Token::End | Token::Other => {}
        }
        let message = if depth > DEEPEST {
            format!("brackets are nested more than {DEEPEST} deep")
        } else if operators > MOST_OPERATORS {
            format!("there are more than {MOST_OPERATORS} operators")
        } else {
            continue;
        };
        return Err(TooMuch {
            span: at..at + 1,
            message,
        });
    }
    Ok(())
}

/// What a byte outside of strings and comments is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::domain::policy) enum Token {
    Open,
    Close,
    Operator,
    /// `;`
    End,
    Other,
}

/// Where the comments of a Cedar text stand, each up to the end of its line.
pub(in crate::domain::policy) fn comments(text: &str) -> Vec<Range<usize>> {
    let mut tokens = Tokens::new(text);
    while tokens.next().is_some() {}
    tokens.comments
}

/// The bytes of a Cedar text that stand outside of strings, comments and white space.
pub(in crate::domain::policy) struct Tokens<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Whether the byte before was part of a word.
    in_word: bool,
    /// What was passed over so far.
    comments: Vec<Range<usize>>,
}

impl<'a> Tokens<'a> {
    pub(in crate::domain::policy) fn new(text: &'a str) -> Self {
        Self {
            bytes: text.as_bytes(),
            at: 0,
            in_word: false,
            comments: Vec::new(),
        }
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    fn skip_string(&mut self) {
        self.at += 1;
        while let Some(byte) = self.byte(self.at) {
            self.at += 1;
            match byte {
                b'\\' => self.at += 1,
                b'"' => return,
                _ => {}
            }
        }
    }

    fn skip_line(&mut self) {
        while self
            .byte(self.at)
            .is_some_and(|byte| byte != b'\n' && byte != b'\r')
        {
            self.at += 1;
        }
    }

    fn starts_word(&self, word: &str) -> bool {
        let end = self.at + word.len();
        !self.in_word
            && self.bytes.get(self.at..end) == Some(word.as_bytes())
            && !self.byte(end).is_some_and(is_word)
    }
}

impl Iterator for Tokens<'_> {
    type Item = (usize, Token);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let at = self.at;
            let byte = self.byte(at)?;
            if byte == b'"' {
                self.skip_string();
                self.in_word = false;
                // A string is a token, of which nothing inside counts.
                return Some((at, Token::Other));
            }
            if byte == b'/' && self.byte(at + 1) == Some(b'/') {
                self.skip_line();
                self.comments.push(at..self.at);
                self.in_word = false;
                continue;
            }
            let words = ["if", "like", "has", "in", "is"];
            let is_operator_word = words.into_iter().any(|word| self.starts_word(word));
            self.in_word = is_word(byte);
            self.at += 1;
            return Some((
                at,
                match byte {
                    b' ' | b'\t' | b'\n' | b'\r' => continue,
                    b'(' | b'[' | b'{' => Token::Open,
                    b')' | b']' | b'}' => Token::Close,
                    b';' => Token::End,
                    b'!' | b'=' | b'<' | b'>' | b'&' | b'|' | b'+' | b'-' | b'*' | b'.' | b'@' => {
                        Token::Operator
                    }
                    _ if is_operator_word => Token::Operator,
                    _ => Token::Other,
                },
            ));
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_what_parsers_recurse_on() {
        let ok = |text: &str| check(text, LONGEST_CONDITION).is_ok();
        let nested = |depth: usize| "(".repeat(depth) + "true" + &")".repeat(depth);
        assert!(ok(&nested(DEEPEST)) && !ok(&nested(DEEPEST + 1)));
        assert!(ok(&"!".repeat(MOST_OPERATORS)) && !ok(&"!".repeat(MOST_OPERATORS + 1)));
        assert!(!ok(&"true&&".repeat(MOST_OPERATORS)));
        assert!(!ok(&"if true then true else ".repeat(MOST_OPERATORS + 1)));
        assert!(ok(&format!("\"{}\"", "(".repeat(200))));
        assert!(ok(&format!("true // {}", "(".repeat(200))));
        assert!(!ok(&format!("\"\\\"\" == {}", "(".repeat(200))));
        assert!(ok(&"a".repeat(LONGEST_CONDITION)) && !ok(&"a".repeat(LONGEST_CONDITION + 1)));
    }
}
