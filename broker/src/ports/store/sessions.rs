//! Sessions of holders.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::job::Owner;
use crate::domain::time::UnixMillis;

/// Holds one row for each workload and holder.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Records that a holder was heard of: one row, rewritten. A lower incarnation changes nothing.
    async fn touch(&self, session: Session) -> Result<(), StoreError>;

    /// What is recorded of a holder.
    fn session(&self, owner: &Owner) -> Result<Option<Session>, StoreError>;
}

/// A holder, as it was last heard of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The workload and its holder.
    pub owner: Owner,
    /// Raised at each start of the holder.
    pub incarnation: u64,
    /// When it was last heard of.
    pub last_seen: UnixMillis,
    /// The machine's name, as reported.
    pub host: String,
}
