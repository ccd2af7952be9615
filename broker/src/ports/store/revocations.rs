//! The feed of revocations, read by number.

use async_trait::async_trait;
use tokio::sync::watch;

use super::StoreError;
use crate::domain::revocation::NumberedRevocation;
use crate::domain::time::UnixMillis;

/// Holds the feed. Its entries are written by [`JobStore::change`](super::JobStore::change), in the
/// transaction of the end that they tell of.
#[async_trait]
pub trait RevocationStore: Send + Sync {
    /// Reads what comes after a number, in order, looking at `limit` entries at most.
    fn revocations(&self, after: u64, limit: usize) -> Result<RevocationPage, StoreError>;

    /// The newest number, as it grows. Raised once its transaction is durable, and never late: whoever marks
    /// it as seen, then reads, and then waits for a change misses nothing.
    fn newest_revocation(&self) -> watch::Receiver<u64>;

    /// Looks at some entries after a number and forgets those that are over at `now`, but never the newest.
    ///
    /// Answers where to go on, 0 at the end.
    async fn prune_revocations(&self, now: UnixMillis, after: u64) -> Result<u64, StoreError>;
}

/// A part of the feed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RevocationPage {
    /// The entries, by ascending number.
    pub entries: Vec<NumberedRevocation>,
    /// Everything up to here was looked at.
    pub through: u64,
    /// Whether that was the newest when it was read.
    pub is_complete: bool,
}
