//! The issuer's published keys (RFC 7517), and signatures under them.

use std::collections::HashMap;

use data_encoding::BASE64URL_NOPAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;

/// The keys, by `kid`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keys(HashMap<String, Key>);

/// A public key, good for one algorithm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Key {
    /// ES256: the uncompressed point.
    P256(Vec<u8>),
    /// RS256: modulus and exponent, big-endian.
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

/// The document is no key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what the broker publishes is no JSON Web Key Set (RFC 7517) with a key in it")]
pub(crate) struct NoKeySet;

impl Keys {
    /// Reads a key set. Keys of kinds that we do not know are left out, as RFC 7517, section 5, wants it.
    pub(crate) fn parse(document: &[u8]) -> Result<Self, NoKeySet> {
        let set: JwkSet = serde_json::from_slice(document).map_err(|_| NoKeySet)?;
        let known = set.keys.into_iter().filter_map(|jwk| {
            let jwk: Jwk = serde_json::from_value(jwk).ok()?;
            let key = jwk.key()?;
            Some((jwk.kid, key))
        });
        let keys: HashMap<_, _> = known.collect();
        if keys.is_empty() {
            return Err(NoKeySet);
        }
        Ok(Self(keys))
    }

    pub(crate) fn find(&self, kid: &str) -> Option<&Key> {
        self.0.get(kid)
    }
}

impl Key {
    /// The one algorithm that it is for: a header is compared with it, and never chooses.
    pub(crate) fn algorithm(&self) -> &'static str {
        match self {
            Self::P256(_) => "ES256",
            Self::Rsa { .. } => "RS256",
        }
    }

    /// Whether a signature over `header.payload` is this key's.
    pub(crate) fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::P256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(signed, signature)
                .is_ok(),
            Self::Rsa { n, e } => RsaPublicKeyComponents { n, e }
                .verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature)
                .is_ok(),
        }
    }
}

#[derive(Deserialize)]
struct JwkSet {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kid: String,
    kty: String,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl Jwk {
    fn key(&self) -> Option<Key> {
        if self.usage.as_deref().is_some_and(|usage| usage != "sig") {
            return None;
        }
        let key = match (self.kty.as_str(), self.crv.as_deref()) {
            ("EC", Some("P-256")) => {
                let (x, y) = (bytes(self.x.as_ref())?, bytes(self.y.as_ref())?);
                if x.len() != 32 || y.len() != 32 {
                    return None;
                }
                Key::P256([&[4], x.as_slice(), y.as_slice()].concat())
            }
            ("RSA", None) => Key::Rsa {
                n: bytes(self.n.as_ref())?,
                e: bytes(self.e.as_ref())?,
            },
            _ => return None,
        };
        let alg = self.alg.as_deref();
        alg.is_none_or(|alg| alg == key.algorithm()).then_some(key)
    }
}

fn bytes(text: Option<&String>) -> Option<Vec<u8>> {
    BASE64URL_NOPAD.decode(text?.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn takes_signing_keys_of_kinds_that_it_knows_and_leaves_out_the_rest() {
        let x = BASE64URL_NOPAD.encode(&[1; 32]);
        let document = format!(
            r#"{{"keys": [
                {{"kid": "ec", "kty": "EC", "crv": "P-256", "x": "{x}", "y": "{x}", "alg": "ES256"}},
                {{"kid": "rsa", "kty": "RSA", "n": "{x}", "e": "AQAB", "use": "sig"}},
                {{"kid": "enc", "kty": "RSA", "n": "{x}", "e": "AQAB", "use": "enc"}},
                {{"kid": "ps", "kty": "RSA", "n": "{x}", "e": "AQAB", "alg": "PS256"}},
                {{"kid": "short", "kty": "EC", "crv": "P-256", "x": "AAAA", "y": "{x}"}},
                {{"kid": "other", "kty": "EC", "crv": "P-384", "x": "{x}", "y": "{x}"}},
                {{"kid": "secret", "kty": "oct", "k": "{x}"}},
                "nonsense"
            ]}}"#
        );
        let keys = Keys::parse(document.as_bytes()).unwrap();
        let mut known: Vec<_> = keys
            .0
            .iter()
            .map(|(kid, key)| (kid.as_str(), key.algorithm()))
            .collect();
        known.sort_unstable();
        assert_eq!(known, [("ec", "ES256"), ("rsa", "RS256")]);
    }

    #[test]
    fn a_document_without_a_usable_key_is_refused() {
        for document in [
            "",
            "{}",
            "[]",
            r#"{"keys": []}"#,
            r#"{"keys": [{"kty": "oct"}]}"#,
        ] {
            assert_eq!(
                Keys::parse(document.as_bytes()).err(),
                Some(NoKeySet),
                "{document}"
            );
        }
    }

    proptest! {
        #[test]
        fn never_panics(document: Vec<u8>) {
            let _ = Keys::parse(&document);
        }
    }
}
