//! Signing keys, sealed.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::audit::Record;
use crate::domain::key_schedule::KeyTimes;
use crate::domain::token_form::Algorithm;

/// Holds signing keys.
#[async_trait]
pub trait KeyStore: Send + Sync {
    /// Adds, changes and forgets keys, with the audit records of it, all or nothing.
    async fn save_keys(&self, saved: SavedKeys, records: Vec<Record>) -> Result<(), StoreError>;

    /// Every key, in the order in which they were added.
    fn keys(&self) -> Result<Vec<StoredKey>, StoreError>;
}

/// What to save about signing keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SavedKeys {
    /// New keys.
    pub added: Vec<StoredKey>,
    /// Keys with other times, or sealed anew.
    pub changed: Vec<StoredKey>,
    /// The ids of keys to remove.
    pub forgotten: Vec<String>,
}

/// A signing key as it is stored: the private part sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// RFC 7638 thumbprint of the public key.
    pub kid: String,
    /// How it signs.
    pub algorithm: Algorithm,
    /// The public key (ES256: uncompressed point, 65 bytes; RS256: `RSAPublicKey` in DER).
    pub public_key: Vec<u8>,
    /// The private key, sealed.
    pub sealed: Sealed,
    /// When it is published and signs.
    pub times: KeyTimes,
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

/// Keys in memory, for tests.
#[cfg(test)]
pub mod fake {
    use parking_lot::Mutex;

    use super::{KeyStore, Record, SavedKeys, StoreError, StoredKey, async_trait};

    /// Keeps keys and the records of their changes, or fails when told to.
    #[derive(Default)]
    pub struct MemoryKeys {
        /// The keys.
        pub keys: Mutex<Vec<StoredKey>>,
        /// What the audit log got.
        pub records: Mutex<Vec<Record>>,
        /// Fails every save while it is there.
        pub trouble: Mutex<Option<StoreError>>,
    }

    #[async_trait]
    impl KeyStore for MemoryKeys {
        async fn save_keys(
            &self,
            saved: SavedKeys,
            records: Vec<Record>,
        ) -> Result<(), StoreError> {
            if let Some(trouble) = self.trouble.lock().clone() {
                return Err(trouble);
            }
            let mut keys = self.keys.lock();
            for changed in saved.changed {
                let same = keys.iter_mut().find(|key| key.kid == changed.kid);
                *same.unwrap() = changed;
            }
            keys.retain(|key| !saved.forgotten.contains(&key.kid));
            keys.extend(saved.added);
            self.records.lock().extend(records);
            Ok(())
        }

        fn keys(&self) -> Result<Vec<StoredKey>, StoreError> {
            Ok(self.keys.lock().clone())
        }
    }
}
