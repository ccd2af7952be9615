//! Bans.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::audit::Record;
use crate::domain::ban::{Ban, BanTarget};

/// Holds bans.
#[async_trait]
pub trait BanStore: Send + Sync {
    /// Adds a ban, or replaces the one on the same target, with its audit record.
    async fn ban(&self, ban: Ban, record: Record) -> Result<(), StoreError>;

    /// Lifts a ban; `false` when there was none, and then nothing is recorded.
    async fn unban(&self, target: BanTarget, record: Record) -> Result<bool, StoreError>;

    /// Every ban, those that ran out included.
    fn bans(&self) -> Result<Vec<Ban>, StoreError>;
}
