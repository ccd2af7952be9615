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

    /// Forgets holders without an open job that were last heard of before `silent_since`. Looks at no more than
    /// `rows` after `after`, in the order of owners; answers where to go on.
    async fn forget_silent(
        &self,
        silent_since: UnixMillis,
        after: Option<Owner>,
        rows: usize,
    ) -> Result<Forgotten, StoreError>;

    /// What is recorded of a holder.
    fn session(&self, owner: &Owner) -> Result<Option<Session>, StoreError>;
}

/// What was forgotten.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// How many holders.
    pub holders: u64,
    /// The last one that was looked at; none when there are no more.
    pub next: Option<Owner>,
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
