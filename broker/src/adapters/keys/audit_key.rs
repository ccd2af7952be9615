//! The key that signs the audit log's checkpoints: Ed25519, PKCS#8 in PEM.

use ring::signature::{Ed25519KeyPair, KeyPair};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use zeroize::Zeroizing;

use crate::ports::log_files::CheckpointSigner;
use crate::ports::random::{self, Random, RandomFailed};

/// What comes before the 32 bytes of a seed (RFC 8410, section 7).
const PKCS8_HEAD: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// The key.
pub struct AuditKey {
    pair: Ed25519KeyPair,
    public: [u8; 32],
}

/// The text holds no such key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it does not hold an Ed25519 private key (PKCS#8, PEM)")]
pub struct InvalidAuditKey;

impl AuditKey {
    /// Reads a key, for instance of `openssl genpkey -algorithm ed25519`.
    pub fn from_pem(pem: &[u8]) -> Result<Self, InvalidAuditKey> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_| InvalidAuditKey)?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key.secret_pkcs8_der());
        let pair = pair.map_err(|_| InvalidAuditKey)?;
        let public = pair.public_key().as_ref().try_into();
        let public = public.map_err(|_| InvalidAuditKey)?;
        Ok(Self { pair, public })
    }

    /// Makes a new key, as [`Self::from_pem`] reads it.
    pub fn new_pem(random: &dyn Random) -> Result<Zeroizing<String>, RandomFailed> {
        let seed = Zeroizing::new(random::array::<32>(random)?);
        let der = Zeroizing::new([&PKCS8_HEAD[..], seed.as_slice()].concat());
        let encoded = Zeroizing::new(data_encoding::BASE64.encode(&der));
        Ok(Zeroizing::new(format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            encoded.as_str()
        )))
    }
}

impl CheckpointSigner for AuditKey {
    fn public_key(&self) -> [u8; 32] {
        self.public
    }

    fn sign(&self, text: &str) -> Vec<u8> {
        self.pair.sign(text.as_bytes()).as_ref().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::random::fake::CountingRandom;

    #[test]
    fn a_new_key_is_read_again_and_no_two_are_alike() {
        let random = CountingRandom::default();
        let keys = [(), ()].map(|()| {
            let pem = AuditKey::new_pem(&random).unwrap();
            AuditKey::from_pem(pem.as_bytes()).unwrap().public_key()
        });
        assert_ne!(keys[0], keys[1]);
        assert!(AuditKey::from_pem(b"").is_err());
        assert!(
            AuditKey::from_pem(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
                .is_err()
        );
    }

    #[test]
    fn takes_the_example_of_rfc_8410() {
        let pem = b"-----BEGIN PRIVATE KEY-----\n\
            MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
            -----END PRIVATE KEY-----\n";
        let key = AuditKey::from_pem(pem).unwrap();
        let public = data_encoding::BASE64.encode(&key.public_key());
        assert_eq!(public, "Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=");
    }
}
