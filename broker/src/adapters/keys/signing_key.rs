//! One signing key: ES256 or RS256 (RFC 7518, sections 3.3 and 3.4).

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use zeroize::Zeroizing;

use super::public_key::PublicKey;
use super::rsa_generation;
use crate::adapters::random::SystemSource;
use crate::domain::token_form::{Algorithm, Shape};

/// A key pair.
pub struct SigningKey {
    private: Private,
    public: PublicKey,
}

enum Private {
    Es256(Box<EcdsaKeyPair>),
    Rs256(Box<RsaKeyPair>),
}

/// The bytes are not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a key pair of its algorithm")]
pub struct InvalidKey;

impl SigningKey {
    /// Makes a new key; the second value is its private part in PKCS #8. RS256 takes a good part of a second.
    pub fn generate(
        algorithm: Algorithm,
        random: &SystemSource,
    ) -> Result<(Self, Zeroizing<Vec<u8>>), InvalidKey> {
        let pkcs8 = match algorithm {
            Algorithm::Es256 => {
                let curve = &ECDSA_P256_SHA256_FIXED_SIGNING;
                let pkcs8 = EcdsaKeyPair::generate_pkcs8(curve, random.for_crypto())
                    .map_err(|_| InvalidKey)?;
                Zeroizing::new(pkcs8.as_ref().to_vec())
            }
            Algorithm::Rs256 => rsa_generation::generate(random)?,
        };
        Ok((Self::from_pkcs8(algorithm, &pkcs8, random)?, pkcs8))
    }

    /// Takes a private key in PKCS #8.
    pub fn from_pkcs8(
        algorithm: Algorithm,
        pkcs8: &[u8],
        random: &SystemSource,
    ) -> Result<Self, InvalidKey> {
        match algorithm {
            Algorithm::Es256 => {
                let curve = &ECDSA_P256_SHA256_FIXED_SIGNING;
                let pair = EcdsaKeyPair::from_pkcs8(curve, pkcs8, random.for_crypto())
                    .map_err(|_| InvalidKey)?;
                let public = PublicKey::es256(pair.public_key().as_ref())?;
                Ok(Self {
                    private: Private::Es256(Box::new(pair)),
                    public,
                })
            }
            Algorithm::Rs256 => {
                let pair = RsaKeyPair::from_pkcs8(pkcs8).map_err(|_| InvalidKey)?;
                let components = PublicKeyComponents::from(pair.public());
                let public = PublicKey::rs256(pair.public().as_ref(), &components);
                Ok(Self {
                    private: Private::Rs256(Box::new(pair)),
                    public,
                })
            }
        }
    }

    /// Its public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs claims that are encoded as JSON: `header.payload.signature`.
    pub fn sign(
        &self,
        shape: Shape,
        claims: &[u8],
        random: &SystemSource,
    ) -> Result<Zeroizing<String>, InvalidKey> {
        let header = self.public.header(shape);
        let payload = BASE64URL_NOPAD.encode_len(claims.len());
        let signature = BASE64URL_NOPAD.encode_len(self.signature_len());
        // Never grown, so that no half of a token stays behind in memory.
        let capacity = header.len() + payload + signature + 2;
        let mut token = Zeroizing::new(String::with_capacity(capacity));
        token.push_str(header);
        token.push('.');
        BASE64URL_NOPAD.encode_append(claims, &mut token);
        let signature = self.signature(token.as_bytes(), random)?;
        token.push('.');
        BASE64URL_NOPAD.encode_append(&signature, &mut token);
        Ok(token)
    }

    fn signature_len(&self) -> usize {
        match &self.private {
            Private::Es256(_) => 64,
            Private::Rs256(pair) => pair.public().modulus_len(),
        }
    }

    fn signature(&self, signed: &[u8], random: &SystemSource) -> Result<Vec<u8>, InvalidKey> {
        match &self.private {
            Private::Es256(pair) => {
                let signature = pair
                    .sign(random.for_crypto(), signed)
                    .map_err(|_| InvalidKey)?;
                Ok(signature.as_ref().to_vec())
            }
            Private::Rs256(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(
                    &RSA_PKCS1_SHA256,
                    random.for_crypto(),
                    signed,
                    &mut signature,
                )
                .map_err(|_| InvalidKey)?;
                Ok(signature)
            }
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.public.kid())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn each_algorithm_signs_what_its_public_half_verifies_and_survives_its_storage() {
        let random = SystemSource::default();
        for algorithm in Algorithm::ALL {
            let (key, pkcs8) = SigningKey::generate(algorithm, &random).unwrap();
            let again = SigningKey::from_pkcs8(algorithm, &pkcs8, &random).unwrap();
            assert_eq!(key.public(), again.public());
            for shape in Shape::ALL {
                let token = again.sign(shape, br#"{"sub":"x"}"#, &random).unwrap();
                let (signed, signature) = token.rsplit_once('.').unwrap();
                let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
                assert!(key.public().verifies(signed, &signature), "{algorithm}");
                assert!(!key.public().verifies("another", &signature));
                let header = token.split('.').next().unwrap();
                let header = BASE64URL_NOPAD.decode(header.as_bytes()).unwrap();
                let header: Value = serde_json::from_slice(&header).unwrap();
                let expected = serde_json::json!({
                    "alg": algorithm.as_str(), "kid": key.public().kid(), "typ": shape.typ(),
                });
                assert_eq!(header, expected, "these three fields and no other");
            }
            for other in Algorithm::ALL.into_iter().filter(|a| *a != algorithm) {
                assert!(SigningKey::from_pkcs8(other, &pkcs8, &random).is_err());
            }
        }
    }

    #[test]
    fn kids_are_the_thumbprints_of_rfc_7638() {
        // The example of section 3.1.
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let components = PublicKeyComponents {
            n: BASE64URL_NOPAD.decode(n.as_bytes()).unwrap(),
            e: vec![1, 0, 1],
        };
        let key = PublicKey::rs256(&[], &components);
        assert_eq!(key.kid(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }
}
