//! Signing keys, sealed.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::audit::Record;
use crate::domain::time::UnixMillis;

/// Holds signing keys.
#[async_trait]
pub trait KeyStore: Send + Sync {
    /// Adds keys with their audit records.
    async fn add_keys(&self, keys: Vec<StoredKey>, records: Vec<Record>) -> Result<(), StoreError>;

    /// Every key, in the order in which they were added.
    fn keys(&self) -> Result<Vec<StoredKey>, StoreError>;
}

/// A signing key as it is stored: the private part sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// RFC 7638 thumbprint of the public key.
    pub kid: String,
    /// JWS algorithm: `ES256`.
    pub algorithm: String,
    /// The public key, as the algorithm has it (ES256: uncompressed point, 65 bytes).
    pub public_key: Vec<u8>,
    /// The private key, sealed.
    pub sealed: Sealed,
    /// When it was first published.
    pub published_at: UnixMillis,
    /// When it may first sign.
    pub signs_from: UnixMillis,
}

/// A sealed value: AES-256-GCM under a key that is not in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Which sealing key.
    pub kek_id: String,
    /// `A256GCM`.
    pub algorithm: String,
    /// 12 bytes.
    pub nonce: Vec<u8>,
    /// With the 16 bytes of the tag at its end.
    pub ciphertext: Vec<u8>,
}
