//! The public half of a signing key: its name, the headers of its tokens, and what they are verified with.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use ring::digest::{SHA256, digest};
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use serde_json::{Value, json};

use super::signing_key::InvalidKey;
use crate::domain::token_form::{Algorithm, Shape};

/// A public key with what can be computed once.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    algorithm: Algorithm,
    /// ES256: the uncompressed point, 0x04 ‖ x ‖ y. RS256: an `RSAPublicKey` in DER (RFC 8017, A.1.1).
    bytes: Vec<u8>,
    kid: String,
    jwk: Value,
    /// The only headers that tokens under this key carry, encoded.
    access_token: String,
    jwt_svid: String,
}

impl PublicKey {
    /// Takes an uncompressed point of P-256.
    pub(super) fn es256(point: &[u8]) -> Result<Self, InvalidKey> {
        let (x, y) = coordinates(point).ok_or(InvalidKey)?;
        let required = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let members = json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y });
        Ok(Self::new(Algorithm::Es256, point, &required, members))
    }

    /// Takes an `RSAPublicKey` in DER and what it holds.
    pub(super) fn rs256(der: &[u8], components: &PublicKeyComponents<Vec<u8>>) -> Self {
        let n = BASE64URL_NOPAD.encode(&components.n);
        let e = BASE64URL_NOPAD.encode(&components.e);
        let required = format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#);
        let members = json!({ "kty": "RSA", "n": n, "e": e });
        Self::new(Algorithm::Rs256, der, &required, members)
    }

    /// `required` are the members that make the thumbprint, in lexical order without white space (RFC 7638,
    /// section 3).
    fn new(algorithm: Algorithm, bytes: &[u8], required: &str, members: Value) -> Self {
        let kid = BASE64URL_NOPAD.encode(digest(&SHA256, required.as_bytes()).as_ref());
        let header = |shape: Shape| {
            let header = json!({ "alg": algorithm, "kid": kid, "typ": shape.typ() }).to_string();
            BASE64URL_NOPAD.encode(header.as_bytes())
        };
        let mut jwk = members;
        if let Some(members) = jwk.as_object_mut() {
            members.insert("use".to_owned(), json!("sig"));
            members.insert("alg".to_owned(), json!(algorithm));
            members.insert("kid".to_owned(), json!(kid));
        }
        Self {
            algorithm,
            bytes: bytes.to_vec(),
            access_token: header(Shape::AccessToken),
            jwt_svid: header(Shape::JwtSvid),
            jwk,
            kid,
        }
    }

    /// How it signs.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Its RFC 7638 thumbprint.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The header of every token of this shape under this key, encoded.
    pub fn header(&self, shape: Shape) -> &str {
        match shape {
            Shape::AccessToken => &self.access_token,
            Shape::JwtSvid => &self.jwt_svid,
        }
    }

    /// ES256: its uncompressed point. RS256: an `RSAPublicKey` in DER.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether a signature over `header.payload` is this key's.
    pub fn verifies(&self, signed: &str, signature: &[u8]) -> bool {
        let algorithm: &dyn VerificationAlgorithm = match self.algorithm {
            Algorithm::Es256 => &ECDSA_P256_SHA256_FIXED,
            Algorithm::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
        };
        UnparsedPublicKey::new(algorithm, &self.bytes)
            .verify(signed.as_bytes(), signature)
            .is_ok()
    }

    /// The key as a JWK (RFC 7517).
    pub fn jwk(&self) -> &Value {
        &self.jwk
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

fn coordinates(point: &[u8]) -> Option<(String, String)> {
    let (prefix, xy) = point.split_first()?;
    if *prefix != 4 || xy.len() != 64 {
        return None;
    }
    let (x, y) = xy.split_at_checked(32)?;
    Some((BASE64URL_NOPAD.encode(x), BASE64URL_NOPAD.encode(y)))
}
