//! Puts a backup in the place of a store, with no broker running.

use std::fs;
use std::path::{Path, PathBuf};

use super::backup::Copy;
use super::check::{StoreReport, check};
use super::open::OpenError;
use super::{connection, files};
use crate::crash_points::{self, Point};
use crate::domain::time::UnixMillis;
use crate::ports::store::backup::BackupError;

/// A backup was not put in place.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The backup, or the place, cannot be had.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The backup is not sound.
    #[error("the backup `{}` is damaged ({finding}); take an older one", path.display())]
    Damaged {
        /// The backup.
        path: PathBuf,
        /// What was found first.
        finding: String,
    },
    /// A backup cannot replace itself.
    #[error("`{}` is the store itself; name a backup of it", .0.display())]
    Itself(PathBuf),
    /// It could not be given to the broker's user.
    #[error(
        "`{}` cannot be given to the owner of its directory: {source}; restore as that user or as root",
        path.display()
    )]
    Owner {
        /// The copy, or the lock beside it.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It could not be copied.
    #[error(transparent)]
    Copy(#[from] BackupError),
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// What the backup holds.
    pub backup: StoreReport,
    /// Where the store that was there before is now; none when there was none.
    pub before: Option<PathBuf>,
}

/// Copies a backup to the place of a store; `now` goes into names and into a copy that says of itself nothing.
///
/// The store that is there is moved aside, never deleted; the copy belongs to the owner of its directory. The
/// next start of a broker notices the backup, ends what was open in it, and begins a new epoch. Killed at any
/// moment, it can be done again.
pub fn restore(backup: &Path, into: &Path, now: UnixMillis) -> Result<Replaced, RestoreError> {
    if is_same_file(backup, into) {
        return Err(RestoreError::Itself(into.to_owned()));
    }
    let report = check(backup)?;
    if let Some(finding) = report.damage.first() {
        return Err(RestoreError::Damaged {
            path: backup.to_owned(),
            finding: finding.clone(),
        });
    }
    let _lock = files::lock(into)?;
    let copy = Copy::begin(into)?;
    let source = connection::reading(backup).map_err(BackupError::from)?;
    copy.fill(&source, &mut |_| true)?;
    copy.finish(now)?;
    for path in [copy.path(), &files::beside(into, ".lock")] {
        files::give_to_owner_of_directory(path).map_err(|source| RestoreError::Owner {
            path: path.to_owned(),
            source,
        })?;
    }
    let before = put_aside(into, now)?;
    crash_points::reach(Point::RestoreHalf);
    copy.replace(into)?;
    Ok(Replaced {
        backup: report,
        before,
    })
}

/// INVARIANT: the log goes with its database. Beside another one, SQLite would take it for that one's.
fn put_aside(store: &Path, now: UnixMillis) -> Result<Option<PathBuf>, OpenError> {
    let aside = files::beside(store, &format!(".before-{}", now.as_millis()));
    let mut found = false;
    for part in ["", "-wal", "-shm"] {
        let (from, to) = (files::beside(store, part), files::beside(&aside, part));
        if from.symlink_metadata().is_ok() {
            fs::rename(&from, &to).map_err(|source| files::cannot(&from, source))?;
            found = true;
        }
    }
    Ok(found.then_some(aside))
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    match (fs::canonicalize(one), fs::canonicalize(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}
