//! Backups while the broker runs.

use std::io;
use std::path::{Path, PathBuf};

use super::StoreError;
use crate::domain::time::UnixMillis;

/// Copies the store.
pub trait BackupStore: Send + Sync {
    /// Copies everything as it is at one moment into a new file, and looks whether the copy is sound.
    ///
    /// It takes long: call it on a thread where nobody waits. `told` hears how far it is, and stops it by
    /// answering `false`. The file is there whole and synced, or not at all.
    fn back_up(
        &self,
        destination: &Path,
        at: UnixMillis,
        told: &mut dyn FnMut(BackupProgress) -> bool,
    ) -> Result<BackedUp, BackupError>;
}

/// How far a backup is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupProgress {
    /// Pages copied.
    pub copied: u64,
    /// Pages in all.
    pub pages: u64,
}

/// A backup that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackedUp {
    /// Its bytes.
    pub bytes: u64,
    /// The number of the last audit record in it.
    pub last_record: u64,
}

/// There is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// It would have to be guessed where.
    #[error("`{}` is not an absolute path to a file; name one on the broker's machine", .0.display())]
    NotAbsolute(PathBuf),
    /// Nothing is overwritten.
    #[error("`{}` is there already, and nothing is overwritten; name another file", .0.display())]
    Exists(PathBuf),
    /// One at a time.
    #[error("another backup is under way; try again when it is done")]
    Busy,
    /// Whoever asked is gone.
    #[error("the backup was stopped, for nobody waits for it any more")]
    Stopped,
    /// The copy is not sound, and so the store is not.
    #[error(
        "the copy is damaged ({0}), and so is the store: restore the newest backup that is sound"
    )]
    Damaged(String),
    /// The file.
    #[error("cannot write `{}`: {source}; the broker's user must be able to write its directory", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The store, or the copy.
    #[error(transparent)]
    Store(#[from] StoreError),
}
