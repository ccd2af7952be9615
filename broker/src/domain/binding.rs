//! What a token is bound to: the certificate of the client that presents it (RFC 8705).

use std::collections::BTreeMap;
use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The SHA-256 of a certificate's DER: `x5t#S256`, in base64url without padding (RFC 8705, section 3.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Thumbprint([u8; 32]);

/// The confirmation claim `cnf` (RFC 7800) of a bound token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// The certificate.
    #[serde(rename = "x5t#S256")]
    pub x5t_s256: Thumbprint,
}

/// The bindings that a request asks for, by credential.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bindings(BTreeMap<String, Thumbprint>);

impl Thumbprint {
    /// Takes a SHA-256.
    pub const fn new(sha256: [u8; 32]) -> Self {
        Self(sha256)
    }

    /// The SHA-256.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Bindings {
    /// Asks for a credential to be bound.
    pub fn insert(&mut self, credential: String, to: Thumbprint) {
        self.0.insert(credential, to);
    }

    /// What a credential is to be bound to.
    pub fn of(&self, credential: &str) -> Option<Thumbprint> {
        self.0.get(credential).copied()
    }

    /// Each credential that is to be bound, with what to.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Thumbprint)> {
        self.0.iter().map(|(name, to)| (name.as_str(), *to))
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64URL_NOPAD.encode(&self.0))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Thumbprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Thumbprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok();
        bytes
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or_else(|| de::Error::custom("a thumbprint is 43 characters of base64url"))
    }
}
