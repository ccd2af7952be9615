//! One signing key: ECDSA with P-256 and SHA-256 (RFC 7518, section 3.4).

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
    UnparsedPublicKey,
};
use serde_json::{Value, json};
use zeroize::Zeroizing;

/// The JWS algorithm.
pub const ALGORITHM: &str = "ES256";
/// `typ` of an access token, RFC 9068, section 2.1.
const TYPE: &str = "at+jwt";

/// A key pair with what can be computed once.
pub struct Es256Key {
    pair: EcdsaKeyPair,
    public: PublicKey,
}

/// Its public half.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// Uncompressed: 0x04 ‖ x ‖ y.
    point: Vec<u8>,
    kid: String,
    /// The only header that tokens under this key carry, encoded.
    header: String,
}

/// The bytes are not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a P-256 key pair")]
pub struct InvalidKey;

impl Es256Key {
    /// Makes a new key; the second value is its private part in PKCS #8.
    pub fn generate(random: &SystemRandom) -> Result<(Self, Zeroizing<Vec<u8>>), InvalidKey> {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, random)
            .map_err(|_| InvalidKey)?;
        let pkcs8 = Zeroizing::new(pkcs8.as_ref().to_vec());
        Ok((Self::from_pkcs8(&pkcs8, random)?, pkcs8))
    }

    /// Takes a private key in PKCS #8.
    pub fn from_pkcs8(pkcs8: &[u8], random: &SystemRandom) -> Result<Self, InvalidKey> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, random)
            .map_err(|_| InvalidKey)?;
        let public = PublicKey::from_point(pair.public_key().as_ref())?;
        Ok(Self { pair, public })
    }

    /// Its public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs claims that are encoded as JSON: `header.payload.signature`.
    pub fn sign(
        &self,
        claims: &[u8],
        random: &SystemRandom,
    ) -> Result<Zeroizing<String>, InvalidKey> {
        let payload = BASE64URL_NOPAD.encode_len(claims.len());
        let capacity = self.public.header.len() + payload + 88;
        let mut token = Zeroizing::new(String::with_capacity(capacity));
        token.push_str(&self.public.header);
        token.push('.');
        BASE64URL_NOPAD.encode_append(claims, &mut token);
        let signature = self
            .pair
            .sign(random, token.as_bytes())
            .map_err(|_| InvalidKey)?;
        token.push('.');
        BASE64URL_NOPAD.encode_append(signature.as_ref(), &mut token);
        Ok(token)
    }
}

impl PublicKey {
    /// Takes an uncompressed point.
    pub fn from_point(point: &[u8]) -> Result<Self, InvalidKey> {
        let (x, y) = coordinates(point).ok_or(InvalidKey)?;
        // RFC 7638, section 3: the required members in lexical order, without white space.
        let thumbprint = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let kid = BASE64URL_NOPAD.encode(digest(&SHA256, thumbprint.as_bytes()).as_ref());
        let header = json!({ "alg": ALGORITHM, "kid": kid, "typ": TYPE }).to_string();
        let header = BASE64URL_NOPAD.encode(header.as_bytes());
        Ok(Self {
            point: point.to_vec(),
            kid,
            header,
        })
    }

    /// Its RFC 7638 thumbprint.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The header of every token under this key, encoded.
    pub fn header(&self) -> &str {
        &self.header
    }

    /// Its uncompressed point.
    pub fn point(&self) -> &[u8] {
        &self.point
    }

    /// Whether a signature over `header.payload` is this key's.
    pub fn verifies(&self, signed: &str, signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.point)
            .verify(signed.as_bytes(), signature)
            .is_ok()
    }

    /// The key as a JWK (RFC 7517).
    pub fn jwk(&self) -> Value {
        let (x, y) = coordinates(&self.point).unwrap_or_default();
        json!({
            "kty": "EC", "crv": "P-256", "x": x, "y": y,
            "use": "sig", "alg": ALGORITHM, "kid": self.kid,
        })
    }
}

impl fmt::Debug for Es256Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Es256Key")
            .field("kid", &self.public.kid)
            .finish_non_exhaustive()
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
