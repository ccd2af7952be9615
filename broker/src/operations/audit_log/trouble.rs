//! What can be wrong with the audit log, and what to do about it.

use std::io;

use crate::ports::store::StoreError;

/// The log cannot go on: the store, the files and what was signed do not belong together.
///
/// Nothing is issued until an operator has looked. Ends are recorded and take effect all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What, with the record or file.
    pub what: String,
    /// What to do about it.
    pub remedy: &'static str,
}

/// Why a step was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NotSequenced {
    /// See [`Trouble`].
    Broken(Trouble),
    /// A disk that is full, and the like: it is tried again.
    Later(String),
}

/// The store is older than the log, or was changed.
pub(super) const RESTORE: &str = "compare with a copy of the log that is kept elsewhere; a store that came \
    from a backup starts with `taskpass store restore`, which begins a new log";
/// The key is another one.
pub(super) const KEY: &str = "put the key that signed the log into `[audit] key_file`";
/// The directory belongs to another log.
pub(super) const DIRECTORY: &str = "name the directory of this installation's log in `[audit] directory`, \
    or an empty one for a new installation";
/// Files were changed.
pub(super) const FILES: &str = "run `taskpass audit verify` on the directory, and put its files back from a \
    copy; a file that is missing altogether is written again at the next start";

pub(super) fn broken(what: impl Into<String>, remedy: &'static str) -> NotSequenced {
    NotSequenced::Broken(Trouble {
        what: what.into(),
        remedy,
    })
}

impl From<StoreError> for NotSequenced {
    fn from(error: StoreError) -> Self {
        Self::Later(error.to_string())
    }
}

impl From<io::Error> for NotSequenced {
    fn from(error: io::Error) -> Self {
        Self::Later(format!("the files of the audit log: {error}"))
    }
}
