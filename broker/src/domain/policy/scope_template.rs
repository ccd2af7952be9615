//! Scopes that are filled in with a job's parameters: `repo:${params.ref}`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use taskpass_proto::limits::MAX_NAME_BYTES;

use super::template::{Template, TemplateSyntax};

/// A template that gives exactly one scope-token (RFC 6749, section 3.3).
#[derive(Clone, PartialEq, Eq)]
pub struct ScopeTemplate(Template);

/// Why a text is not a scope template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTemplate {
    /// A `${` without its `}`.
    #[error("`${{` without its `}}`")]
    Unclosed,
    /// Something else than a parameter is to be filled in.
    #[error("only parameters can be filled in, as `${{params.NAME}}`")]
    NotAParameter,
    /// It is empty.
    #[error("a scope is not empty")]
    Empty,
    /// It has a character that no scope-token has.
    #[error("a scope is one RFC 6749 scope-token: printable ASCII without space, `\"` and `\\`")]
    NotAScopeToken,
    /// Longer than 256 bytes.
    #[error("a scope is at most {MAX_NAME_BYTES} bytes long")]
    TooLong,
}

impl ScopeTemplate {
    /// The template as it was written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The names of the parameters that are filled in.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.0.parameters()
    }

    /// The scope for these parameters, or what came out when that is not one scope-token.
    pub fn fill(&self, parameters: &BTreeMap<String, String>) -> Result<String, String> {
        let scope = self.0.fill(parameters)?;
        // INVARIANT: checked again after filling in, so that no value can turn one scope into two.
        if is_scope_token(&scope) {
            Ok(scope)
        } else {
            Err(scope)
        }
    }
}

impl FromStr for ScopeTemplate {
    type Err = InvalidTemplate;

    fn from_str(text: &str) -> Result<Self, InvalidTemplate> {
        if text.is_empty() {
            return Err(InvalidTemplate::Empty);
        }
        if text.len() > MAX_NAME_BYTES {
            return Err(InvalidTemplate::TooLong);
        }
        let template: Template = text.parse()?;
        if template
            .literals()
            .all(|part| part.bytes().all(is_scope_byte))
        {
            Ok(Self(template))
        } else {
            Err(InvalidTemplate::NotAScopeToken)
        }
    }
}

impl From<TemplateSyntax> for InvalidTemplate {
    fn from(error: TemplateSyntax) -> Self {
        match error {
            TemplateSyntax::Unclosed => Self::Unclosed,
            TemplateSyntax::NotAParameter => Self::NotAParameter,
        }
    }
}

impl fmt::Display for ScopeTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for ScopeTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Whether a text is one scope-token: `1*( %x21 / %x23-5B / %x5D-7E )`, at most 256 bytes here.
pub(super) fn is_scope_token(text: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&text.len()) && text.bytes().all(is_scope_byte)
}

fn is_scope_byte(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fill(template: &str, value: &str) -> Result<String, String> {
        let parameters = BTreeMap::from([("ref".to_owned(), value.to_owned())]);
        template.parse::<ScopeTemplate>().unwrap().fill(&parameters)
    }

    #[test]
    fn takes_parameters_and_nothing_else() {
        use InvalidTemplate::*;
        let (longest, long) = ("a".repeat(256), "a".repeat(257));
        let table = [
            ("docs:write", Ok(())),
            ("repo:${params.ref}", Ok(())),
            ("${params.a}${params.b-c_1}", Ok(())),
            ("cost:$5", Ok(())),
            ("https://acme.example/scope", Ok(())),
            ("", Err(Empty)),
            ("docs write", Err(NotAScopeToken)),
            ("docs\"", Err(NotAScopeToken)),
            ("docs\\", Err(NotAScopeToken)),
            ("docs\n", Err(NotAScopeToken)),
            ("dócs", Err(NotAScopeToken)),
            ("${params.a} ${params.b}", Err(NotAScopeToken)),
            ("${params.ref", Err(Unclosed)),
            ("${ref}", Err(NotAParameter)),
            ("${params.}", Err(NotAParameter)),
            ("${params.Ref}", Err(NotAParameter)),
            ("${ params.ref }", Err(NotAParameter)),
            ("${env.HOME}", Err(NotAParameter)),
            ("${params.a${params.b}}", Err(NotAParameter)),
            (&longest, Ok(())),
            (&long, Err(TooLong)),
        ];
        for (text, expected) in table {
            assert_eq!(
                text.parse::<ScopeTemplate>().map(|_| ()),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn no_value_makes_another_scope() {
        let long = "a".repeat(256);
        for value in [
            "main admin",
            "main\tadmin",
            "main\nadmin",
            "main\u{a0}x",
            "a\"b",
            "a\\b",
            "ä",
            "\0",
            "",
            &long,
        ] {
            assert!(fill("repo:${params.ref}", value).is_err(), "{value:?}");
        }
        // What looks like a template in a value is not filled in once more.
        assert_eq!(
            fill("r:${params.ref}", "${params.ref}"),
            Ok("r:${params.ref}".to_owned())
        );
        assert_eq!(fill("r:${params.ref}", "main"), Ok("r:main".to_owned()));
    }

    #[test]
    fn gives_nothing_when_a_parameter_is_missing() {
        let template: ScopeTemplate = "repo:${params.ref}:read".parse().unwrap();
        assert_eq!(template.fill(&BTreeMap::new()), Err("repo:".to_owned()));
    }

    proptest! {
        #[test]
        fn gives_one_token_or_none(template in r"([a-z: ]|\$\{params\.[ab]\}|\$|\{|\}){0,8}", a in ".{0,8}", b in "[ -~]{0,8}") {
            let parameters = BTreeMap::from([("a".to_owned(), a), ("b".to_owned(), b)]);
            if let Ok(scope) = template.parse::<ScopeTemplate>().map_err(|_| String::new()).and_then(|t| t.fill(&parameters)) {
                prop_assert_eq!(scope.split_whitespace().collect::<Vec<_>>(), [&scope]);
                prop_assert!(is_scope_token(&scope));
            }
        }
    }
}
