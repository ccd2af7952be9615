//! What a token says, checked without asking anybody: RFC 7515, RFC 7519, RFC 9068.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use ring::digest::{SHA256, digest};
use serde::Deserialize;
use taskpass_proto::ids::LeaseId;

use crate::claims::{Claims, Encoded};
use crate::keys::Keys;
use crate::refused::Refused;

/// Longer tokens are not looked at.
const MAX_BYTES: usize = 16 * 1024;

/// What a token has to say.
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    pub(crate) issuer: String,
    pub(crate) audience: String,
    /// For clocks that differ.
    pub(crate) leeway: Duration,
}

/// A token whose signature was checked.
pub(crate) struct Signed(Vec<u8>);

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: String,
    typ: String,
    crit: Option<serde_json::Value>,
}

impl Signed {
    /// Checks who signed it.
    pub(crate) fn verify(token: &str, keys: &Keys) -> Result<Self, Refused> {
        if token.len() > MAX_BYTES {
            return Err(Refused::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Refused::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(Refused::Malformed)?;
        let header: Header =
            serde_json::from_slice(&decode(header)?).map_err(|_| Refused::Malformed)?;
        let payload = decode(payload)?;
        let signature = decode(signature)?;
        if !is_access_token(&header.typ) {
            return Err(Refused::NotAnAccessToken);
        }
        let key = keys.find(&header.kid).ok_or(Refused::UnknownKey)?;
        if header.alg != key.algorithm() || header.crit.is_some() {
            return Err(Refused::OtherAlgorithm);
        }
        if !key.verifies(signed.as_bytes(), &signature) {
            return Err(Refused::BadSignature);
        }
        Ok(Self(payload))
    }

    /// Checks what it says, at a time in seconds since 1970, for a client that presented this certificate.
    pub(crate) fn claims(
        &self,
        expected: &Expected,
        now: u64,
        certificate: Option<&[u8]>,
    ) -> Result<Claims, Refused> {
        let all: serde_json::Map<_, _> =
            serde_json::from_slice(&self.0).map_err(|_| Refused::Malformed)?;
        let encoded: Encoded = serde_json::from_slice(&self.0).map_err(|_| Refused::Malformed)?;
        let aud = encoded.aud.into_one();
        let leeway = expected.leeway.as_secs();
        let (lease, generation) =
            LeaseId::parse_token_id(&encoded.jti).map_err(|_| Refused::Malformed)?;
        let x5t_s256 = match encoded.cnf {
            None => None,
            // INVARIANT: a binding that is not understood, or not met, is never ignored.
            Some(cnf) => {
                let bound = cnf.x5t_s256.ok_or(Refused::OtherHolder)?;
                Some(presented(&bound, certificate)?)
            }
        };
        if encoded.iss != expected.issuer {
            Err(Refused::OtherIssuer)
        } else if aud != expected.audience {
            Err(Refused::OtherAudience)
        } else if encoded.exp.saturating_add(leeway) <= now {
            Err(Refused::Expired)
        } else if encoded.nbf > now.saturating_add(leeway) {
            Err(Refused::NotYetValid)
        } else {
            Ok(Claims {
                sub: encoded.sub,
                aud,
                iat: encoded.iat,
                nbf: encoded.nbf,
                exp: encoded.exp,
                scope: encoded.scope,
                task: encoded.task,
                lease,
                generation,
                x5t_s256,
                all,
            })
        }
    }
}

/// RFC 9068, section 4: `at+jwt` or `application/at+jwt`, in any case.
fn is_access_token(typ: &str) -> bool {
    ["at+jwt", "application/at+jwt"]
        .iter()
        .any(|known| typ.eq_ignore_ascii_case(known))
}

fn presented(bound: &str, certificate: Option<&[u8]>) -> Result<[u8; 32], Refused> {
    let bound = BASE64URL_NOPAD.decode(bound.as_bytes());
    let bound: [u8; 32] = bound
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(Refused::OtherHolder)?;
    let certificate = certificate.ok_or(Refused::OtherHolder)?;
    if digest(&SHA256, certificate).as_ref() == bound {
        Ok(bound)
    } else {
        Err(Refused::OtherHolder)
    }
}

fn decode(part: &str) -> Result<Vec<u8>, Refused> {
    BASE64URL_NOPAD
        .decode(part.as_bytes())
        .map_err(|_| Refused::Malformed)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
    use serde_json::{Value, json};

    use super::*;

    pub(crate) const NOW: u64 = 1_700_000_000;
    pub(crate) const ISSUER: &str = "https://taskpass.acme.example";
    pub(crate) const AUDIENCE: &str = "https://docs.acme.example";
    pub(crate) const JTI: &str = "lease_01h455vb4pex5vsknk084sn02q_1.1";

    /// An issuer with one key.
    pub(crate) struct Issuer {
        pair: EcdsaKeyPair,
        random: SystemRandom,
    }

    impl Issuer {
        #[allow(clippy::disallowed_methods, reason = "a key for a test")]
        pub(crate) fn new() -> Self {
            let random = SystemRandom::new();
            let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
            let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
            let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap();
            Self { pair, random }
        }

        pub(crate) fn jwks(&self) -> Vec<u8> {
            let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
            let [x, y] = [x, y].map(|part| BASE64URL_NOPAD.encode(part));
            let key = json!({ "kid": "k1", "kty": "EC", "crv": "P-256", "x": x, "y": y });
            json!({ "keys": [key] }).to_string().into_bytes()
        }

        pub(crate) fn keys(&self) -> Keys {
            Keys::parse(&self.jwks()).unwrap()
        }

        pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
            let [header, claims] =
                [header, claims].map(|part| BASE64URL_NOPAD.encode(part.to_string().as_bytes()));
            let signed = format!("{header}.{claims}");
            let signature = self.pair.sign(&self.random, signed.as_bytes()).unwrap();
            format!("{signed}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
        }
    }

    pub(crate) fn header() -> Value {
        json!({ "alg": "ES256", "kid": "k1", "typ": "at+jwt" })
    }

    pub(crate) fn claims() -> Value {
        json!({
            "iss": ISSUER, "sub": "spiffe://acme.example/ci", "client_id": "spiffe://acme.example/ci",
            "aud": AUDIENCE, "iat": NOW, "nbf": NOW - 30, "exp": NOW + 300, "jti": JTI,
            "scope": "docs:read docs:write", "task": "deploy-docs",
        })
    }

    fn with(mut value: Value, key: &str, to: &Value) -> Value {
        value[key] = to.clone();
        value
    }

    fn check(issuer: &Issuer, token: &str, certificate: Option<&[u8]>) -> Result<Claims, Refused> {
        let expected = Expected {
            issuer: ISSUER.into(),
            audience: AUDIENCE.into(),
            leeway: Duration::from_secs(30),
        };
        Signed::verify(token, &issuer.keys())?.claims(&expected, NOW, certificate)
    }

    #[test]
    fn a_token_that_is_too_long_is_not_looked_at() {
        let issuer = Issuer::new();
        let long = with(claims(), "scope", &json!("x".repeat(MAX_BYTES)));
        let token = issuer.sign(&header(), &long);
        assert!(check(&issuer, &token, None).is_err_and(|why| why == Refused::Malformed));
        let short = with(claims(), "scope", &json!("x".repeat(MAX_BYTES / 2)));
        assert!(check(&issuer, &issuer.sign(&header(), &short), None).is_ok());
    }

    #[test]
    fn a_good_token_says_what_it_says() {
        let issuer = Issuer::new();
        let found = check(&issuer, &issuer.sign(&header(), &claims()), None).unwrap();
        assert_eq!(found.sub, "spiffe://acme.example/ci");
        assert_eq!(found.lease.token_id(found.generation), JTI);
        assert!(found.has_scope("docs:write") && !found.has_scope("docs"));
        assert_eq!(found.all["client_id"], "spiffe://acme.example/ci");
    }

    #[test]
    fn each_wrong_claim_has_its_reason() {
        let issuer = Issuer::new();
        let table = [
            ("iss", json!("https://evil.example"), Refused::OtherIssuer),
            (
                "aud",
                json!("https://tickets.acme.example"),
                Refused::OtherAudience,
            ),
            ("aud", json!([AUDIENCE, "x"]), Refused::Malformed),
            ("aud", json!([]), Refused::Malformed),
            ("exp", json!(NOW - 30), Refused::Expired),
            ("exp", json!("9999999999"), Refused::Malformed),
            ("exp", Value::Null, Refused::Malformed),
            ("nbf", json!(NOW + 31), Refused::NotYetValid),
            ("nbf", json!("0"), Refused::Malformed),
            ("jti", json!("7"), Refused::Malformed),
            ("jti", Value::Null, Refused::Malformed),
            ("cnf", json!({ "jkt": "x" }), Refused::OtherHolder),
            ("cnf", json!({ "x5t#S256": "x" }), Refused::OtherHolder),
            ("cnf", json!("x"), Refused::Malformed),
        ];
        for (key, value, expected) in table {
            let token = issuer.sign(&header(), &with(claims(), key, &value));
            assert_eq!(
                check(&issuer, &token, None),
                Err(expected),
                "{key}: {value}"
            );
        }
        let good = [
            ("aud", json!([AUDIENCE])),
            ("exp", json!(NOW - 29)),
            ("nbf", json!(NOW + 30)),
        ];
        for (key, value) in good {
            let token = issuer.sign(&header(), &with(claims(), key, &value));
            assert!(check(&issuer, &token, None).is_ok(), "{key}: {value}");
        }
    }

    #[test]
    fn each_wrong_header_has_its_reason() {
        let issuer = Issuer::new();
        let table = [
            ("typ", json!("JWT"), Refused::NotAnAccessToken),
            ("alg", json!("none"), Refused::OtherAlgorithm),
            ("alg", json!("HS256"), Refused::OtherAlgorithm),
            ("alg", json!("RS256"), Refused::OtherAlgorithm),
            ("kid", json!("k2"), Refused::UnknownKey),
            ("crit", json!(["b64"]), Refused::OtherAlgorithm),
        ];
        for (key, value, expected) in table {
            let token = issuer.sign(&with(header(), key, &value), &claims());
            assert_eq!(
                check(&issuer, &token, None),
                Err(expected),
                "{key}: {value}"
            );
        }
        let token = issuer.sign(
            &with(header(), "typ", &json!("application/AT+jwt")),
            &claims(),
        );
        assert!(check(&issuer, &token, None).is_ok());
    }

    #[test]
    fn a_token_of_another_key_or_with_anything_changed_is_refused() {
        let (issuer, other) = (Issuer::new(), Issuer::new());
        let token = other.sign(&header(), &claims());
        assert_eq!(check(&issuer, &token, None), Err(Refused::BadSignature));
        let token = issuer.sign(&header(), &claims());
        for place in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(check(&issuer, &changed, None).is_err(), "{place}");
        }
        for bad in [
            "",
            ".",
            "..",
            "a.b.c",
            &format!("{token}."),
            &format!("{token}="),
        ] {
            assert_eq!(check(&issuer, bad, None), Err(Refused::Malformed), "{bad}");
        }
        let long = "a".repeat(MAX_BYTES + 1);
        assert_eq!(check(&issuer, &long, None), Err(Refused::Malformed));
    }

    #[test]
    fn a_bound_token_needs_its_certificate() {
        let issuer = Issuer::new();
        let thumbprint = BASE64URL_NOPAD.encode(digest(&SHA256, b"mine").as_ref());
        let cnf = json!({ "x5t#S256": thumbprint });
        let token = issuer.sign(&header(), &with(claims(), "cnf", &cnf));
        assert_eq!(check(&issuer, &token, None), Err(Refused::OtherHolder));
        assert_eq!(
            check(&issuer, &token, Some(b"theirs")),
            Err(Refused::OtherHolder)
        );
        assert!(
            check(&issuer, &token, Some(b"mine"))
                .unwrap()
                .x5t_s256
                .is_some()
        );
    }

    proptest! {
        #[test]
        fn never_panics(token in "\\PC*", parts: [Vec<u8>; 3]) {
            let issuer = Issuer::new();
            let _ = check(&issuer, &token, None);
            let parts = parts.map(|part| BASE64URL_NOPAD.encode(&part));
            let _ = check(&issuer, &parts.join("."), None);
        }
    }
}
