//! A task's parameters: what a value must be.

use std::fmt::Write as _;
use std::sync::Arc;

use taskpass_proto::limits::MAX_PARAMETER_BYTES;

use super::value_pattern::ValuePattern;

const MAX_TOKEN_BYTES: usize = 128;

/// What a task declares of one parameter.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// What its values are.
    pub kind: ParameterKind,
    /// What they must match besides, as a whole.
    pub pattern: Option<ValuePattern>,
    /// Whether it may be left out.
    pub is_optional: bool,
}

/// The type of a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParameterKind {
    /// One of these.
    OneOf(Vec<Arc<str>>),
    /// A decimal number in this range, written without sign `+` and without leading zeros.
    Integer {
        /// The lowest.
        min: i64,
        /// The highest.
        max: i64,
    },
    /// `true` or `false`.
    Boolean,
    /// `[A-Za-z0-9._-]{1,128}`, and neither `.` nor `..`.
    Token,
    /// Tokens joined by `/`.
    Path,
    /// Any text without control characters. Never part of a scope.
    Text,
}

impl Parameter {
    /// Whether the value is one that the task takes.
    pub fn accepts(&self, value: &str) -> bool {
        value.len() <= MAX_PARAMETER_BYTES
            && self.kind.accepts(value)
            && self.pattern.as_ref().is_none_or(|p| p.matches_whole(value))
    }

    /// A value that is accepted, where one is easily found.
    pub(super) fn example(&self) -> Option<String> {
        let usual = match &self.kind {
            ParameterKind::OneOf(values) => values.iter().map(ToString::to_string).collect(),
            ParameterKind::Integer { min, .. } => vec![min.to_string()],
            ParameterKind::Boolean => vec!["true".to_owned()],
            ParameterKind::Token | ParameterKind::Path | ParameterKind::Text => {
                ["a", "main", "1", "v1.0.0", "A-1", "a/b"]
                    .map(str::to_owned)
                    .to_vec()
            }
        };
        // `refs/heads/(main|release/.*)` takes `refs/heads/main`.
        let first = self.pattern.as_ref().map(|pattern| {
            let first = pattern.as_str().split('|').next().unwrap_or_default();
            first.replace(['(', ')', '\\', '^', '$'], "")
        });
        let mut candidates = usual.into_iter().chain(first);
        candidates.find(|value| self.accepts(value))
    }

    /// What a value must be, in words.
    pub fn expected(&self) -> String {
        let mut text = self.kind.expected();
        if let Some(pattern) = &self.pattern {
            // Writing to a string cannot fail.
            let _ = write!(text, ", matching `{pattern}`");
        }
        text
    }
}

impl ParameterKind {
    /// The type's name in policy files.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::OneOf(_) => "one_of",
            Self::Integer { .. } => "integer",
            Self::Boolean => "boolean",
            Self::Token => "token",
            Self::Path => "path",
            Self::Text => "text",
        }
    }

    /// Whether a value can have this text in it, as far as its type says.
    pub(super) fn may_contain(&self, text: &str) -> bool {
        let is_of_token = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        match self {
            Self::Token => text.bytes().all(is_of_token),
            Self::Path => text.bytes().all(|b| is_of_token(b) || b == b'/') && !text.contains("//"),
            Self::OneOf(_) | Self::Integer { .. } | Self::Boolean | Self::Text => true,
        }
    }

    fn accepts(&self, value: &str) -> bool {
        match self {
            Self::OneOf(values) => values.iter().any(|allowed| **allowed == *value),
            Self::Integer { min, max } => {
                canonical_integer(value).is_some_and(|number| (*min..=*max).contains(&number))
            }
            Self::Boolean => matches!(value, "true" | "false"),
            Self::Token => is_token(value),
            Self::Path => value.split('/').all(is_token),
            Self::Text => value
                .chars()
                .all(|c| !c.is_control() || matches!(c, '\n' | '\t')),
        }
    }

    fn expected(&self) -> String {
        match self {
            Self::OneOf(values) => format!("one of `{}`", values.join("`, `")),
            Self::Integer { min, max } => format!("an integer from {min} to {max}"),
            Self::Boolean => "`true` or `false`".to_owned(),
            Self::Token => format!(
                "a token (1 to {MAX_TOKEN_BYTES} of `A-Z`, `a-z`, `0-9`, `.`, `_`, `-`; not `.` or `..`)"
            ),
            Self::Path => "a path (tokens joined by `/`, none of them `.` or `..`)".to_owned(),
            Self::Text => {
                format!("text of at most {MAX_PARAMETER_BYTES} bytes without control characters")
            }
        }
    }
}

fn is_token(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=MAX_TOKEN_BYTES).contains(&text.len())
        && text != "."
        && text != ".."
        && text.bytes().all(allowed)
}

/// The number, if the text is its one canonical spelling.
fn canonical_integer(text: &str) -> Option<i64> {
    text.parse()
        .ok()
        .filter(|number: &i64| number.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(kind: ParameterKind, value: &str) -> bool {
        Parameter {
            kind,
            pattern: None,
            is_optional: false,
        }
        .accepts(value)
    }

    #[test]
    fn takes_what_each_type_says() {
        let one_of = || ParameterKind::OneOf(vec!["blue".into(), "green".into()]);
        let range = || ParameterKind::Integer { min: -5, max: 10 };
        let (longest, too_long) = ("a".repeat(128), "a".repeat(129));
        let (longest_text, too_long_text) = ("ä".repeat(512), "a".repeat(1025));
        let long_path = ["abc"; 300].join("/");
        let table = [
            (
                one_of(),
                vec!["blue", "green"],
                vec!["", "Blue", "blue ", "blue|green", "red"],
            ),
            (
                range(),
                vec!["-5", "0", "10"],
                vec![
                    "",
                    "-6",
                    "11",
                    "+1",
                    "01",
                    "-0",
                    "1.0",
                    "0x1",
                    " 1",
                    "99999999999999999999",
                ],
            ),
            (
                ParameterKind::Boolean,
                vec!["true", "false"],
                vec!["", "True", "1", "yes"],
            ),
            (
                ParameterKind::Token,
                vec!["a", "v1.2-rc_3", "...", longest.as_str()],
                vec![
                    "",
                    ".",
                    "..",
                    "a/b",
                    "a b",
                    "ä",
                    "a\n",
                    "a:b",
                    too_long.as_str(),
                ],
            ),
            (
                ParameterKind::Path,
                vec!["a", "refs/heads/main", "a/.../b"],
                vec![
                    "", "/a", "a/", "a//b", "a/../b", "./a", "a/b c", "a\\b", &long_path,
                ],
            ),
            (
                ParameterKind::Text,
                vec!["", "two words", "line\nline", longest_text.as_str()],
                vec!["\0", "a\u{1b}[2J", "\u{85}", too_long_text.as_str()],
            ),
        ];
        for (kind, good, bad) in table {
            for value in good {
                assert!(accepts(kind.clone(), value), "{kind:?} {value:?}");
            }
            for value in bad {
                assert!(!accepts(kind.clone(), value), "{kind:?} {value:?}");
            }
        }
    }

    #[test]
    fn a_pattern_only_narrows() {
        let parameter = Parameter {
            kind: ParameterKind::Path,
            pattern: Some(".*".parse().unwrap()),
            is_optional: false,
        };
        assert!(parameter.accepts("a/b"));
        assert!(!parameter.accepts("a/../b"));
        assert_eq!(
            parameter.expected(),
            "a path (tokens joined by `/`, none of them `.` or `..`), matching `.*`"
        );
    }
}
