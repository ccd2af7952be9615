//! An X.509-SVID of our own.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::ring::sign::any_supported_type;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use zeroize::Zeroize;

use crate::spiffe_id::SpiffeId;
use crate::svid_error::SvidError;
use crate::validity::Validity;
use crate::verifier::UnverifiedChain;

/// An X.509-SVID with its private key, ready to be presented to peers.
pub struct X509Svid {
    id: SpiffeId,
    validity: Validity,
    withdrawn: bool,
    key: Arc<CertifiedKey>,
}

/// Why certificates and a key are not an X.509-SVID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidX509Svid {
    /// The text with the certificates is not PEM.
    #[error("the certificates are not valid PEM: {0}; the file may be half written")]
    CertificatePem(String),
    /// The certificates break a rule for X.509-SVIDs.
    #[error("the certificates are not an X.509-SVID: {0}; peers would refuse them")]
    Certificate(#[from] SvidError),
    /// The text with the key is not PEM. What the text holds is not repeated.
    #[error("the private key is not valid PEM; the file may be half written")]
    KeyPem,
    /// There is no key in the text.
    #[error("there is no private key in it; give a PEM block `PRIVATE KEY` (PKCS #8)")]
    NoKey,
    /// The key is of a kind that cannot be used.
    #[error("the private key cannot be used; give an unencrypted P-256, P-384, Ed25519 or RSA key")]
    Key,
    /// The key is not the one that the leaf was issued for.
    #[error("the private key does not belong to the certificate; one of the two may be older")]
    KeyMismatch,
}

impl X509Svid {
    /// Reads the certificates, leaf first, and the private key from PEM.
    ///
    /// The leaf and its issuers have to keep the rules that peers hold them to, short of being
    /// trusted. The dates are not looked at: see [`X509Svid::is_valid_at`].
    pub fn from_pem(certificates: &[u8], private_key: &[u8]) -> Result<Self, InvalidX509Svid> {
        let chain = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| InvalidX509Svid::CertificatePem(error.to_string()))?;
        let private_key =
            PrivateKeyDer::from_pem_slice(private_key).map_err(|error| match error {
                pem::Error::NoItemsFound => InvalidX509Svid::NoKey,
                _ => InvalidX509Svid::KeyPem,
            })?;
        Self::from_der(chain, private_key)
    }

    /// Takes the certificates, leaf first, and the private key in DER.
    pub fn from_der(
        chain: Vec<CertificateDer<'static>>,
        mut private_key: PrivateKeyDer<'static>,
    ) -> Result<Self, InvalidX509Svid> {
        let key = any_supported_type(&private_key);
        private_key.zeroize();
        let key = key.map_err(|_| InvalidX509Svid::Key)?;
        let leaf = UnverifiedChain::read(&chain)?.leaf;
        let key = CertifiedKey::new(chain, key);
        key.keys_match().map_err(|_| InvalidX509Svid::KeyMismatch)?;
        Ok(Self {
            id: leaf.id,
            validity: leaf.validity,
            withdrawn: false,
            key: Arc::new(key),
        })
    }

    /// The same SVID, which whoever gave it has taken back: it is not presented any more.
    pub(crate) fn withdrawn(&self) -> Self {
        Self {
            id: self.id.clone(),
            validity: self.validity,
            withdrawn: true,
            key: Arc::clone(&self.key),
        }
    }

    /// Who we are with it.
    pub fn id(&self) -> &SpiffeId {
        &self.id
    }

    /// When the leaf is valid.
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// The last second in which the leaf is valid.
    pub fn expires_at(&self) -> UnixTime {
        self.validity.not_after
    }

    /// Whether peers could accept it at a point in time, and we may still present it.
    pub fn is_valid_at(&self, at: UnixTime) -> bool {
        !self.withdrawn && self.validity.contains(at)
    }

    /// Whether a Workload API has taken it back before its end.
    pub fn is_withdrawn(&self) -> bool {
        self.withdrawn
    }

    /// The certificates, leaf first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.key.cert
    }

    /// The certificates with the key, as `rustls` takes them.
    pub(crate) fn certified_key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.key)
    }
}

impl InvalidX509Svid {
    /// A short label for metrics; it never changes and never holds input.
    pub fn code(&self) -> &'static str {
        match self {
            Self::CertificatePem(_) => "certificate_pem",
            Self::Certificate(why) => why.code(),
            Self::KeyPem => "key_pem",
            Self::NoKey => "no_key",
            Self::Key => "key",
            Self::KeyMismatch => "key_mismatch",
        }
    }
}

impl fmt::Debug for X509Svid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("X509Svid")
            .field("id", &self.id)
            .field("validity", &self.validity)
            .field("withdrawn", &self.withdrawn)
            .field("private_key", &"[redacted]")
            .finish_non_exhaustive()
    }
}
