//! Patterns of parameter values: regular expressions that match whole values only.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use regex_lite::{Regex, RegexBuilder};
use regex_syntax::hir::literal::{Extractor, Literal};

const MAX_BYTES: usize = 512;
/// Bytes of the compiled form: bounds the time of a match, which is linear in it and in the value.
const MAX_COMPILED_BYTES: usize = 64 * 1024;
const MAX_NESTING: u32 = 16;

/// A regular expression (syntax of the crate `regex-lite`) that a whole value must match.
#[derive(Clone)]
pub struct ValuePattern {
    source: Arc<str>,
    regex: Regex,
    /// Found when it is asked for, which decisions never do; shared by clones.
    beginnings: Arc<OnceLock<Option<Vec<String>>>>,
}

/// Why a text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidValuePattern {
    /// Longer than 512 bytes.
    #[error("a pattern is at most {MAX_BYTES} bytes long")]
    TooLong,
    /// Not a regular expression, or too large a one when compiled.
    #[error("not a regular expression that can be used here: {0}")]
    Syntax(String),
}

impl ValuePattern {
    /// Whether the pattern matches the value from its first to its last byte.
    pub fn matches_whole(&self, value: &str) -> bool {
        self.regex.is_match(value)
    }

    /// How every value begins that matches: in one of these ways, unless that cannot be said.
    pub(super) fn beginnings(&self) -> Option<&[String]> {
        let found = self.beginnings.get_or_init(|| beginnings(&self.source));
        found.as_deref()
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.source
    }
}

impl FromStr for ValuePattern {
    type Err = InvalidValuePattern;

    fn from_str(source: &str) -> Result<Self, InvalidValuePattern> {
        if source.len() > MAX_BYTES {
            return Err(InvalidValuePattern::TooLong);
        }
        // INVARIANT: the text must be an expression by itself before it is wrapped. `a)|(?:b` is none, yet
        // `^(?:a)|(?:b)$` would be, and would match more than whole values.
        compile(source)?;
        // The group keeps the anchors outside of `a|b`, and flags such as `(?m)` inside.
        let regex = compile(&format!("^(?:{source})$"))?;
        Ok(Self {
            source: source.into(),
            regex,
            beginnings: Arc::default(),
        })
    }
}

impl fmt::Display for ValuePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl fmt::Debug for ValuePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.source, f)
    }
}

fn beginnings(source: &str) -> Option<Vec<String>> {
    // `\w` is of ASCII where values are matched and of Unicode here: more, and in a negation less.
    let may_negate = ["\\W", "\\D", "\\S", "[^"]
        .iter()
        .any(|negation| source.contains(negation));
    if may_negate {
        return None;
    }
    let parsed = regex_syntax::parse(source).ok()?;
    let found = Extractor::new().extract(&parsed);
    let text = |literal: &Literal| String::from_utf8(literal.as_bytes().to_vec()).ok();
    found.literals()?.iter().map(text).collect()
}

fn compile(source: &str) -> Result<Regex, InvalidValuePattern> {
    RegexBuilder::new(source)
        .size_limit(MAX_COMPILED_BYTES)
        .nest_limit(MAX_NESTING)
        .build()
        .map_err(|error| InvalidValuePattern::Syntax(error.to_string()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, value: &str) -> bool {
        pattern
            .parse::<ValuePattern>()
            .unwrap()
            .matches_whole(value)
    }

    #[test]
    fn matches_whole_values_only() {
        let table = [
            (
                "main",
                vec!["main"],
                vec!["", "xmain", "mainx", "main\n", "\nmain"],
            ),
            ("a|b", vec!["a", "b"], vec!["ab", "ax", "xb", "a|b"]),
            ("a|ab", vec!["a", "ab"], vec!["abb"]),
            ("a$|^b", vec!["a", "b"], vec!["ab", "ba", "a\nx"]),
            ("(?m)a$", vec!["a"], vec!["a\nb", "b\na"]),
            ("(?s).*", vec!["", "a\nb"], vec![]),
            (".*", vec!["", "ab"], vec!["a\nb"]),
            ("", vec![""], vec!["a"]),
            (
                "release/[a-z0-9.-]+",
                vec!["release/1.2-rc"],
                vec!["release/", "release/A"],
            ),
            ("[0-9a-f]{8}", vec!["0f0f0f0f"], vec!["0f", "0f0f0f0f0"]),
        ];
        for (pattern, good, bad) in table {
            for value in good {
                assert!(matches(pattern, value), "{pattern:?} {value:?}");
            }
            for value in bad {
                assert!(!matches(pattern, value), "{pattern:?} {value:?}");
            }
        }
    }

    #[test]
    fn knows_how_values_begin() {
        let table: [(&str, Option<&[&str]>); 9] = [
            ("main", Some(&["main"])),
            ("main|release/[0-9]+", Some(&["main", "release/"])),
            ("^(?:web|api)-.+$", Some(&["web-", "api-"])),
            ("[ab]c", Some(&["ac", "bc"])),
            ("(?i)a", Some(&["A", "a"])),
            (r"x\W", None),
            ("a?b", Some(&["ab", "b"])),
            ("[a-z0-9-]+", None),
            (".*", None),
        ];
        for (pattern, expected) in table {
            let found = pattern.parse::<ValuePattern>().unwrap();
            let found = found.beginnings();
            let found = found.filter(|found| found.iter().all(|one| !one.is_empty()));
            let found = found.map(|found| {
                found
                    .iter()
                    .map(|one| one.trim_end_matches(char::is_numeric).to_owned())
                    .collect::<std::collections::BTreeSet<_>>()
            });
            let expected = expected.map(|all| all.iter().map(|&one| one.to_owned()).collect());
            assert_eq!(found, expected, "{pattern}");
        }
    }

    #[test]
    fn refuses_what_is_no_expression_by_itself() {
        let (long, deep) = (
            "a".repeat(513),
            format!("{}{}", "(".repeat(100), ")".repeat(100)),
        );
        for bad in [
            "(",
            "a)|(?:b",
            ")(",
            "[a",
            "a{3,2}",
            "(?P<n>",
            "(?x)a #",
            "((a{1000}){1000}){10}",
            "\\p{L}",
            "(?=a)",
            "\\1",
            &long,
            &deep,
        ] {
            assert!(bad.parse::<ValuePattern>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn takes_as_many_bytes_as_are_said() {
        assert!("a".repeat(512).parse::<ValuePattern>().is_ok());
        let too_long = "a".repeat(513).parse::<ValuePattern>();
        assert_eq!(too_long.unwrap_err(), InvalidValuePattern::TooLong);
    }

    proptest! {
        #[test]
        fn an_alternation_never_widens(a in "[ab.*()|^$?]{0,6}", b in "[ab.*()|^$?]{0,6}", value in "[ab\n]{0,5}") {
            let (Ok(left), Ok(right)) = (a.parse::<ValuePattern>(), b.parse::<ValuePattern>()) else {
                return Ok(());
            };
            let either: ValuePattern = format!("{a}|{b}").parse().unwrap();
            prop_assert_eq!(
                either.matches_whole(&value),
                left.matches_whole(&value) || right.matches_whole(&value)
            );
        }

        #[test]
        fn what_matches_begins_as_is_said(pattern in "[abc.|()?*+^$\\[\\]]{1,10}", value in "[abc]{0,4}") {
            if let Ok(pattern) = pattern.parse::<ValuePattern>()
                && pattern.matches_whole(&value)
                && let Some(beginnings) = pattern.beginnings()
            {
                prop_assert!(beginnings.iter().any(|one| value.starts_with(one)), "{:?}", beginnings);
            }
        }

        #[test]
        fn never_matches_more_than_the_expression_alone(pattern in ".{0,16}", value in "[ -~\n]{0,12}") {
            if let Ok(pattern) = pattern.parse::<ValuePattern>() {
                let alone = Regex::new(pattern.as_str()).unwrap();
                prop_assert!(alone.is_match(&value) || !pattern.matches_whole(&value));
            }
        }
    }
}
