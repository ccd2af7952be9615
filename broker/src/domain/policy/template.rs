//! Texts that are filled in with a job's parameters: `${params.ref}`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

const OPEN: &str = "${";
const CLOSE: char = '}';
const PARAMETERS: &str = "params.";

/// A text with places for parameters. What may come out of it is up to whoever uses it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Template {
    text: Arc<str>,
    parts: Vec<Part>,
}

#[derive(Clone, PartialEq, Eq)]
enum Part {
    Literal(Box<str>),
    Parameter(Box<str>),
}

/// Why a text is not a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TemplateSyntax {
    /// A `${` without its `}`.
    Unclosed,
    /// Something else than a parameter is to be filled in.
    NotAParameter,
}

impl Template {
    /// The template as it was written.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// The names of the parameters that are filled in.
    pub(super) fn parameters(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Parameter(name) => Some(&**name),
            Part::Literal(_) => None,
        })
    }

    /// What stands between the parameters.
    pub(super) fn literals(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Literal(text) => Some(&**text),
            Part::Parameter(_) => None,
        })
    }

    /// The text for these parameters, or what came out as far as a parameter that is missing or empty.
    pub(super) fn fill(&self, parameters: &BTreeMap<String, String>) -> Result<String, String> {
        let mut filled = String::with_capacity(self.text.len());
        for part in &self.parts {
            match part {
                Part::Literal(text) => filled.push_str(text),
                Part::Parameter(name) => match parameters.get(&**name) {
                    Some(value) if !value.is_empty() => filled.push_str(value),
                    // Leaving it out would shorten the text, and a shorter one may well mean more.
                    Some(_) | None => return Err(filled),
                },
            }
        }
        Ok(filled)
    }
}

impl FromStr for Template {
    type Err = TemplateSyntax;

    fn from_str(text: &str) -> Result<Self, TemplateSyntax> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((literal, opened)) = rest.split_once(OPEN) {
            let (inner, after) = opened.split_once(CLOSE).ok_or(TemplateSyntax::Unclosed)?;
            let name = inner
                .strip_prefix(PARAMETERS)
                .filter(|name| is_parameter_name(name))
                .ok_or(TemplateSyntax::NotAParameter)?;
            parts.push(Part::Literal(literal.into()));
            parts.push(Part::Parameter(name.into()));
            rest = after;
        }
        parts.push(Part::Literal(rest.into()));
        Ok(Self {
            text: text.into(),
            parts,
        })
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

/// Whether a text can be the name of a parameter: `[a-z0-9_-]{1,64}`.
pub(super) fn is_parameter_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-');
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}
