//! Backups while the broker runs: a copy of one moment, in one file.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::files::{beside, sync_directory};
use super::{SqliteStore, audit_log, connection, integrity, restoration};
use crate::crash_points::{self, Point};
use crate::domain::time::UnixMillis;
use crate::ports::store::StoreError;
use crate::ports::store::backup::{BackedUp, BackupError, BackupProgress, BackupStore};

/// Pages that are copied between two words about it.
const STEP: i32 = 2_000;

impl BackupStore for SqliteStore {
    fn back_up(
        &self,
        destination: &Path,
        at: UnixMillis,
        told: &mut dyn FnMut(BackupProgress) -> bool,
    ) -> Result<BackedUp, BackupError> {
        let _only_one = self.backing_up.try_lock().ok_or(BackupError::Busy)?;
        if !destination.is_absolute() || destination.file_name().is_none() {
            return Err(BackupError::NotAbsolute(destination.to_owned()));
        }
        if destination.symlink_metadata().is_ok() {
            return Err(BackupError::Exists(destination.to_owned()));
        }
        let source = connection::reading(&self.path)?;
        let copy = Copy::begin(destination)?;
        copy.fill(&source, told)?;
        let last_record = copy.finish(at)?;
        let bytes = copy.publish(destination)?;
        Ok(BackedUp { bytes, last_record })
    }
}

/// A copy that is not whole yet, under a name of its own. Dropping it removes it.
pub(super) struct Copy {
    path: PathBuf,
}

impl Copy {
    /// Makes the file, empty. What a copy that was broken off has left is removed.
    pub(super) fn begin(destination: &Path) -> Result<Self, BackupError> {
        let path = beside(destination, ".partial");
        let cannot = |source| file_error(&path, source);
        for leftover in ["", "-wal", "-shm", "-journal"] {
            let leftover = beside(&path, leftover);
            if leftover.symlink_metadata().is_ok() {
                fs::remove_file(&leftover).map_err(cannot)?;
            }
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        options.open(&path).map_err(cannot)?;
        Ok(Self { path })
    }

    /// Where it is until it has its name.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Copies every page as it is at this moment. The writer goes on meanwhile.
    pub(super) fn fill(
        &self,
        source: &Connection,
        told: &mut dyn FnMut(BackupProgress) -> bool,
    ) -> Result<(), BackupError> {
        // INVARIANT: the transaction stays open, so that every step copies from the same moment.
        source.execute_batch("BEGIN").map_err(StoreError::from)?;
        let begin = "SELECT count(*) FROM sqlite_schema";
        source
            .query_row(begin, [], |row| row.get::<_, i64>(0))
            .map_err(StoreError::from)?;
        let copied = self.step_by_step(source, told);
        let _ = source.execute_batch("COMMIT");
        copied
    }

    fn step_by_step(
        &self,
        source: &Connection,
        told: &mut dyn FnMut(BackupProgress) -> bool,
    ) -> Result<(), BackupError> {
        let mut target = connection::plain(&self.path)?;
        // It is synced as a whole, before it gets its name.
        target
            .pragma_update(None, "synchronous", "OFF")
            .map_err(StoreError::from)?;
        let backup = Backup::new(source, &mut target).map_err(StoreError::from)?;
        loop {
            let step = backup.step(STEP).map_err(StoreError::from)?;
            let progress = backup.progress();
            let pages = u64::try_from(progress.pagecount).unwrap_or(0);
            let left = u64::try_from(progress.remaining).unwrap_or(0);
            let goes_on = told(BackupProgress {
                copied: pages.saturating_sub(left),
                pages,
            });
            if !goes_on {
                return Err(BackupError::Stopped);
            }
            crash_points::reach(Point::BackupHalf);
            if step == StepResult::Done {
                return Ok(());
            }
        }
    }

    /// Makes it one file that is known as a backup, sound and synced. Answers the number of its last record.
    pub(super) fn finish(&self, at: UnixMillis) -> Result<u64, BackupError> {
        let copy = connection::plain(&self.path)?;
        let one_file = "PRAGMA journal_mode = DELETE";
        copy.query_row(one_file, [], |row| row.get::<_, String>(0))
            .map_err(StoreError::from)?;
        restoration::mark_as_backup(&copy, at)?;
        if let Some(finding) = integrity::findings(&copy)?.into_iter().next() {
            return Err(BackupError::Damaged(finding));
        }
        let last_record = audit_log::last(&copy)?;
        drop(copy);
        let synced = File::open(&self.path).and_then(|file| file.sync_all());
        synced.map_err(|source| file_error(&self.path, source))?;
        Ok(last_record)
    }

    /// Gives it its name, unless somebody else has it. Answers its bytes.
    fn publish(self, destination: &Path) -> Result<u64, BackupError> {
        let cannot = |source: io::Error| match source.kind() {
            io::ErrorKind::AlreadyExists => BackupError::Exists(destination.to_owned()),
            _ => file_error(destination, source),
        };
        // A link, unlike a renaming, never replaces.
        fs::hard_link(&self.path, destination).map_err(cannot)?;
        drop(self);
        sync_directory(destination).map_err(cannot)?;
        Ok(fs::metadata(destination).map_err(cannot)?.len())
    }

    /// Moves it over whatever has the name.
    pub(super) fn replace(self, destination: &Path) -> Result<(), BackupError> {
        let cannot = |source| file_error(destination, source);
        fs::rename(&self.path, destination).map_err(cannot)?;
        sync_directory(destination).map_err(cannot)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // After a success its name is gone already, or the content has another one.
        let _ = fs::remove_file(&self.path);
        for leftover in ["-wal", "-shm", "-journal"] {
            let _ = fs::remove_file(beside(&self.path, leftover));
        }
    }
}

fn file_error(path: &Path, source: io::Error) -> BackupError {
    BackupError::File {
        path: path.to_owned(),
        source,
    }
}
