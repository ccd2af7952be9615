//! What a token looks like: how it is signed, what its header says, and which claims it has beyond the usual.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a token looks like. Part of a lease's terms, so that every generation looks alike.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TokenForm {
    /// How it is signed.
    #[serde(default, skip_serializing_if = "Algorithm::is_default")]
    pub algorithm: Algorithm,
    /// What its header says it is.
    #[serde(default, skip_serializing_if = "Shape::is_default")]
    pub shape: Shape,
    /// Claims that policy declares, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub claims: BTreeMap<String, ClaimValue>,
}

/// A JWS algorithm (RFC 7518, section 3.1).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub enum Algorithm {
    /// ECDSA with P-256 and SHA-256.
    #[default]
    #[serde(rename = "ES256")]
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, for verifiers that know nothing newer.
    #[serde(rename = "RS256")]
    Rs256,
}

/// What a token's header says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// An access token: `typ` is `at+jwt` (RFC 9068, section 2.1).
    #[default]
    AccessToken,
    /// A JWT-SVID, for targets that exchange or verify those: `typ` is `JWT`.
    JwtSvid,
}

/// The value of a declared claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ClaimValue {
    /// True or false.
    Boolean(bool),
    /// A whole number that every JSON reader keeps exactly.
    Integer(i64),
    /// A text.
    Text(String),
    /// Several texts.
    List(Vec<String>),
}

/// A word that names nothing here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidForm {
    /// Not an algorithm that keys are made for.
    #[error("an algorithm is `ES256` or `RS256`")]
    Algorithm,
    /// Not a shape.
    #[error("a shape is `access-token` or `jwt-svid`")]
    Shape,
}

impl TokenForm {
    /// Whether nothing about it is out of the ordinary.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 2] = [Self::Es256, Self::Rs256];

    /// Its name in headers, key sets, policy and the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }

    #[allow(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes fields by reference"
    )]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Shape {
    /// Its name in policy.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "access-token",
            Self::JwtSvid => "jwt-svid",
        }
    }

    /// Every shape.
    pub const ALL: [Self; 2] = [Self::AccessToken, Self::JwtSvid];

    /// `typ` of the header.
    pub fn typ(self) -> &'static str {
        match self {
            Self::AccessToken => "at+jwt",
            Self::JwtSvid => "JWT",
        }
    }

    #[allow(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes fields by reference"
    )]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl FromStr for Algorithm {
    type Err = InvalidForm;

    fn from_str(text: &str) -> Result<Self, InvalidForm> {
        let named = |algorithm: &Self| algorithm.as_str() == text;
        Self::ALL
            .into_iter()
            .find(named)
            .ok_or(InvalidForm::Algorithm)
    }
}

impl FromStr for Shape {
    type Err = InvalidForm;

    fn from_str(text: &str) -> Result<Self, InvalidForm> {
        match text {
            "access-token" => Ok(Self::AccessToken),
            "jwt-svid" => Ok(Self::JwtSvid),
            _ => Err(InvalidForm::Shape),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for ClaimValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => value.fmt(f),
            Self::Integer(value) => value.fmt(f),
            Self::Text(value) => write!(f, "{value:?}"),
            Self::List(values) => write!(f, "{values:?}"),
        }
    }
}
