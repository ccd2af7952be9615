//! Epochs of a store: a restored backup begins a new one.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::StoreError;
use super::keys::StoredKey;
use crate::domain::audit::Record;
use crate::domain::time::UnixMillis;

/// Tells whether a new epoch is due, and begins it.
#[async_trait]
pub trait EpochStore: Send + Sync {
    /// Why the store is an older one than was here before; none when it is not.
    fn restored(&self) -> Result<Option<Restored>, StoreError>;

    /// Begins a new epoch in one transaction: keys sealed for it, and the record that says so.
    async fn begin_epoch(
        &self,
        epoch: [u8; 16],
        keys: Vec<StoredKey>,
        record: Record,
    ) -> Result<(), StoreError>;
}

/// How a store is known to be older than the one that was here before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "how")]
pub enum Restored {
    /// It is a backup.
    Backup {
        /// When it was taken.
        taken_at: UnixMillis,
    },
    /// Its audit log has fewer records than it had.
    OlderCopy {
        /// The number of its last record.
        has: u64,
        /// The number that it had reached, at least.
        had: u64,
    },
}
