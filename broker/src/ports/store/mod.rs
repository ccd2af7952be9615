//! Everything durable.
//!
//! A method that returns `Ok` has committed and synced: what it recorded survives `kill -9` and a power
//! cut. A method that returns `Err` may or may not have; callers treat it as not done and ask again.
//!
//! - [`jobs`]: jobs and leases, changed by the pure functions of [`crate::domain::change`]
//! - [`audit`]: the audit log
//! - [`tree`]: the Merkle tree over it
//! - [`revocations`]: what verifiers are told
//! - [`epoch`], [`backup`]: copies of it, and what becomes of them
//! - [`bans`], [`sessions`], [`keys`], [`policies`]: what else survives a restart

pub mod audit;
pub mod backup;
pub mod bans;
pub mod epoch;
pub mod jobs;
pub mod keys;
pub mod policies;
pub mod revocations;
pub mod sessions;
pub mod tree;

use std::fmt;

pub use audit::AuditStore;
pub use backup::BackupStore;
pub use bans::BanStore;
pub use epoch::EpochStore;
pub use jobs::JobStore;
pub use keys::KeyStore;
pub use policies::PolicyStore;
pub use revocations::RevocationStore;
pub use sessions::SessionStore;
pub use tree::{EntryStore, TreeStore};

/// The whole store, as the composition root passes it around.
pub trait Store:
    JobStore
    + AuditStore
    + TreeStore
    + EntryStore
    + BanStore
    + KeyStore
    + PolicyStore
    + RevocationStore
    + SessionStore
    + EpochStore
    + BackupStore
    + 'static
{
}

impl<T> Store for T where
    T: JobStore
        + AuditStore
        + TreeStore
        + EntryStore
        + BanStore
        + KeyStore
        + PolicyStore
        + RevocationStore
        + SessionStore
        + EpochStore
        + BackupStore
        + 'static
{
}

/// The store could not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct StoreError {
    /// What kind of trouble it is, as a metric's label.
    pub kind: StoreErrorKind,
    /// What the store said, for the operator.
    pub message: String,
}

/// Kinds of trouble with a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoreErrorKind {
    /// No space is left.
    Full,
    /// It cannot be written.
    ReadOnly,
    /// The disk failed.
    Io,
    /// What was read makes no sense.
    Corrupt,
    /// The writer has stopped.
    Stopped,
    /// Anything else.
    Other,
}

impl StoreErrorKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Full,
        Self::ReadOnly,
        Self::Io,
        Self::Corrupt,
        Self::Stopped,
        Self::Other,
    ];

    /// The label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::ReadOnly => "read_only",
            Self::Io => "io",
            Self::Corrupt => "corrupt",
            Self::Stopped => "stopped",
            Self::Other => "other",
        }
    }

    /// What an operator can do about it.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Full => "free space on the file system of the store, or move it to a larger one",
            Self::ReadOnly => "make the file system and the store's files writable for the broker",
            Self::Io => "check the disk; the kernel log says more",
            Self::Corrupt => "stop the broker and restore the newest backup of the store",
            Self::Stopped => "restart the broker",
            Self::Other => "see the broker's log",
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the store failed ({}): {}",
            self.kind.as_str(),
            self.message
        )
    }
}
