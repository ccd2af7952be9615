//! Claims that policy declares beyond those that every token has.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use taskpass_proto::limits::MAX_NAME_BYTES;

use super::template::{Template, TemplateSyntax};
use crate::domain::token_form::ClaimValue;

const MAX_CLAIM_NAME_BYTES: usize = 128;

/// What tokens say anyway, what introspection adds, and what the field's verifiers read a fixed meaning into:
/// the claims of RFC 7519, 7800, 8693, 9068, 9396 and of `OpenID` Connect, and the members of RFC 7662.
///
/// Sorted, for a binary search.
const RESERVED: [&str; 74] = [
    "acr",
    "act",
    "active",
    "address",
    "alg",
    "amr",
    "at_hash",
    "attest",
    "aud",
    "auth_time",
    "authorization_details",
    "azp",
    "birthdate",
    "c_hash",
    "client_id",
    "cnf",
    "crit",
    "dest",
    "email",
    "email_verified",
    "entitlements",
    "events",
    "exp",
    "extension_client_id",
    "extension_sub",
    "family_name",
    "gender",
    "given_name",
    "groups",
    "iat",
    "iss",
    "job",
    "jti",
    "jwk",
    "kid",
    "locale",
    "may_act",
    "middle_name",
    "name",
    "nbf",
    "nickname",
    "nonce",
    "orig",
    "phone_number",
    "phone_number_verified",
    "picture",
    "preferred_username",
    "profile",
    "roles",
    "scope",
    "scopes",
    "scp",
    "sid",
    "sub",
    "sub_id",
    "sub_jwk",
    "target_link_uri",
    "task",
    "taskpass",
    "tenant",
    "tid",
    "toe",
    "token_introspection",
    "token_type",
    "txn",
    "typ",
    "updated_at",
    "upn",
    "username",
    "vc",
    "verified_claims",
    "vp",
    "website",
    "zoneinfo",
];

/// The name of a claim that policy may declare.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ClaimName(pub(super) Arc<str>);

/// A text for a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClaimText(Template);

/// The value of a claim, with places for parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ClaimTemplate {
    /// As it stands, never with parameters.
    Fixed(ClaimValue),
    /// Filled in.
    Text(ClaimText),
    /// Each filled in.
    List(Vec<ClaimText>),
}

/// Why something is not part of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidClaim {
    /// Not a claim's name.
    #[error(
        "a claim's name begins with a letter and has 1 to 128 of `A-Z`, `a-z`, `0-9`, `_`, `-`, `.`, `:`, `/`"
    )]
    Name,
    /// Another meaning is fixed for it.
    #[error(
        "this claim has a fixed meaning, so policy cannot set it; choose another name, or a URI of yours"
    )]
    Reserved,
    /// A `${` without its `}`.
    #[error("`${{` without its `}}`")]
    Unclosed,
    /// Something else than a parameter is to be filled in.
    #[error("only parameters can be filled in, as `${{params.NAME}}`")]
    NotAParameter,
    /// Empty, too long, or with control characters.
    #[error("a claim's text has 1 to {MAX_NAME_BYTES} bytes and no control characters")]
    Text,
}

impl ClaimText {
    /// The text as it was written.
    pub(super) fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The names of the parameters that are filled in.
    pub(super) fn parameters(&self) -> impl Iterator<Item = &str> {
        self.0.parameters()
    }

    /// How long it can get, in bytes.
    pub(super) fn longest(&self) -> usize {
        match self.parameters().next() {
            Some(_) => MAX_NAME_BYTES,
            None => self.as_str().len(),
        }
    }

    fn fill(&self, parameters: &BTreeMap<String, String>) -> Result<String, String> {
        let text = self.0.fill(parameters)?;
        if is_claim_text(&text) {
            Ok(text)
        } else {
            Err(text)
        }
    }
}

impl ClaimTemplate {
    /// The texts that parameters are filled in to.
    pub(super) fn texts(&self) -> &[ClaimText] {
        match self {
            Self::Fixed(_) => &[],
            Self::Text(text) => std::slice::from_ref(text),
            Self::List(texts) => texts,
        }
    }

    /// How long it can get, in bytes, about.
    pub(super) fn longest(&self) -> usize {
        const FIXED: usize = 20;
        let texts = self.texts().iter();
        FIXED + texts.map(|text| text.longest() + 3).sum::<usize>()
    }

    /// The value for these parameters, or the text and what came of it when that cannot be a claim's.
    pub(super) fn fill(
        &self,
        parameters: &BTreeMap<String, String>,
    ) -> Result<ClaimValue, (&str, String)> {
        let fill = |text: &'_ ClaimText| text.fill(parameters);
        Ok(match self {
            Self::Fixed(value) => value.clone(),
            Self::Text(text) => {
                ClaimValue::Text(fill(text).map_err(|value| (text.as_str(), value))?)
            }
            Self::List(texts) => {
                let filled = texts
                    .iter()
                    .map(|text| fill(text).map_err(|value| (text.as_str(), value)));
                ClaimValue::List(filled.collect::<Result<_, _>>()?)
            }
        })
    }
}

impl fmt::Display for ClaimTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(value) => value.fmt(f),
            Self::Text(text) => write!(f, "{:?}", text.as_str()),
            Self::List(texts) => f
                .debug_list()
                .entries(texts.iter().map(ClaimText::as_str))
                .finish(),
        }
    }
}

impl FromStr for ClaimName {
    type Err = InvalidClaim;

    fn from_str(text: &str) -> Result<Self, InvalidClaim> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_-.:/".contains(&b);
        let begins_well = text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
        if !begins_well || text.len() > MAX_CLAIM_NAME_BYTES || !text.bytes().all(allowed) {
            return Err(InvalidClaim::Name);
        }
        let lower = text.to_ascii_lowercase();
        match RESERVED.binary_search(&lower.as_str()) {
            Ok(_) => Err(InvalidClaim::Reserved),
            Err(_) => Ok(Self(text.into())),
        }
    }
}

impl FromStr for ClaimText {
    type Err = InvalidClaim;

    fn from_str(text: &str) -> Result<Self, InvalidClaim> {
        if !is_claim_text(text) {
            return Err(InvalidClaim::Text);
        }
        match text.parse() {
            Ok(template) => Ok(Self(template)),
            Err(TemplateSyntax::Unclosed) => Err(InvalidClaim::Unclosed),
            Err(TemplateSyntax::NotAParameter) => Err(InvalidClaim::NotAParameter),
        }
    }
}

/// Whether a text can be a claim's value.
pub(super) fn is_claim_text(text: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&text.len()) && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn refuses_names_that_mean_something_already() {
        assert!(RESERVED.is_sorted());
        for name in RESERVED {
            assert_eq!(
                name.parse::<ClaimName>(),
                Err(InvalidClaim::Reserved),
                "{name}"
            );
        }
        let upper = "Sub".parse::<ClaimName>();
        assert_eq!(
            upper,
            Err(InvalidClaim::Reserved),
            "readers that ignore case"
        );
        for name in ["", "1st", "_x", "a b", "a\"", "ä", &"a".repeat(129)] {
            assert_eq!(name.parse::<ClaimName>(), Err(InvalidClaim::Name), "{name}");
        }
        for name in [
            "team",
            "costCentre",
            "https://acme.example/claims/team",
            &"a".repeat(128),
        ] {
            assert!(name.parse::<ClaimName>().is_ok(), "{name}");
        }
    }

    fn fill(text: &str, value: &str) -> Result<ClaimValue, String> {
        let parameters = BTreeMap::from([("ref".to_owned(), value.to_owned())]);
        let template = ClaimTemplate::Text(text.parse().unwrap());
        template.fill(&parameters).map_err(|(_, value)| value)
    }

    #[test]
    fn gives_one_value_or_none() {
        let text = |text: &str| Ok(ClaimValue::Text(text.to_owned()));
        assert_eq!(fill("docs", "x"), text("docs"));
        assert_eq!(fill("r:${params.ref}", "main"), text("r:main"));
        assert_eq!(
            fill("r:${params.ref}", "${params.ref}"),
            text("r:${params.ref}")
        );
        for value in ["", "a\nb", "a\0", &"a".repeat(256)] {
            assert!(fill("r:${params.ref}", value).is_err(), "{value:?}");
        }
        assert!(fill("r:${params.other}", "main").is_err());
        for (text, error) in [
            ("", InvalidClaim::Text),
            ("a\tb", InvalidClaim::Text),
            ("${params.ref", InvalidClaim::Unclosed),
            ("${env.HOME}", InvalidClaim::NotAParameter),
        ] {
            assert_eq!(text.parse::<ClaimText>(), Err(error), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_comes_out_breaks_the_bounds(template in r"([a-z: ]|\$\{params\.[ab]\}|\$|\{|\}){0,8}", a in ".{0,300}") {
            let parameters = BTreeMap::from([("a".to_owned(), a)]);
            if let Ok(text) = template.parse::<ClaimText>()
                && let Ok(filled) = text.fill(&parameters)
            {
                prop_assert!(is_claim_text(&filled));
                prop_assert!(filled.len() <= text.longest());
            }
        }
    }
}
