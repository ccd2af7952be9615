//! Policy snapshots by their hash.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::audit::Record;
use crate::domain::time::UnixMillis;

/// Holds the sources of every policy that was in force, so that any decision can be explained.
#[async_trait]
pub trait PolicyStore: Send + Sync {
    /// Keeps a snapshot's sources with the record of its loading. Keeping it again changes nothing but the log.
    async fn keep_policy(&self, policy: KeptPolicy, record: Record) -> Result<(), StoreError>;

    /// The sources of a snapshot.
    fn policy(&self, hash: &str) -> Result<Option<KeptPolicy>, StoreError>;
}

/// A snapshot's sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptPolicy {
    /// The snapshot's hash.
    pub hash: String,
    /// File names and contents.
    pub files: Vec<(String, Vec<u8>)>,
    /// The name and the content of the installation file; none of a snapshot that a version kept which left it
    /// out.
    pub installation: Option<(String, Vec<u8>)>,
    /// When it was first in force.
    pub since: UnixMillis,
}
