//! The Merkle tree over the audit log: how far it was signed, and the entries that it is over.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::audit::Record;

/// Keeps the head of the tree.
#[async_trait]
pub trait TreeStore: Send + Sync {
    /// The head, unless there is no tree yet.
    fn tree(&self) -> Result<Option<TreeHead>, StoreError>;

    /// Goes on from one head to the next, with records that belong to it. Changes nothing and answers
    /// `false` when the head is another than expected.
    async fn save_tree(&self, step: TreeStep) -> Result<bool, StoreError>;

    /// Gives up to `limit` numbers that were never given, or are lost, to copies of this record. Answers how
    /// many there were: 0 when no number is missing.
    async fn fill_gaps(&self, limit: u64, record: Record) -> Result<u64, StoreError>;
}

/// Reads the audit log as the tree is over it, and erases what the tree does not need.
#[async_trait]
pub trait EntryStore: Send + Sync {
    /// Entries after this number, in the order of their numbers.
    fn entries(&self, after: u64, limit: usize) -> Result<Vec<Entry>, StoreError>;

    /// The highest number; 0 when there is none.
    fn last_entry(&self) -> Result<u64, StoreError>;

    /// Erases salt and details of these records, where they are still there, and appends `record` if any
    /// were. Answers how many were.
    async fn erase(&self, numbers: Vec<u64>, record: Record) -> Result<u64, StoreError>;
}

/// What was signed last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeHead {
    /// The epoch of the store that it was signed in.
    pub epoch: Vec<u8>,
    /// The log's origin.
    pub origin: String,
    /// The last signed checkpoint; none before the first.
    pub checkpoint: Option<String>,
}

/// A step from one head to the next.
#[derive(Debug, Clone)]
pub struct TreeStep {
    /// The head until now.
    pub expected: Option<TreeHead>,
    /// The head from now on.
    pub next: TreeHead,
    /// Records that belong to the step.
    pub records: Vec<Record>,
}

/// A record as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number, from 1.
    pub number: u64,
    /// The bytes that the tree is over.
    pub leaf: String,
    /// What the leaf commits to, unless it was erased.
    pub details: Option<SaltedDetails>,
}

/// Details with their salt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaltedDetails {
    /// 32 bytes.
    pub salt: Vec<u8>,
    /// A JSON object, byte for byte as it was hashed.
    pub details: String,
}
