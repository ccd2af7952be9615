//! The files of a store: the database, and a lock beside it.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::open::OpenError;

/// Makes the database file if it is not there, and takes the lock of the store.
///
/// The lock is a file of its own: closing a second descriptor of the database would drop the locks that
/// SQLite holds on it.
pub(super) fn prepare(path: &Path) -> Result<File, OpenError> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    if !directory.is_dir() {
        return Err(OpenError::NoDirectory {
            directory: directory.to_owned(),
        });
    }
    let lock_path = beside(path, ".lock");
    let lock = private(&lock_path).map_err(|source| cannot(&lock_path, source))?;
    lock.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => OpenError::InUse {
            path: path.to_owned(),
        },
        TryLockError::Error(source) => cannot(&lock_path, source),
    })?;
    private(path).map_err(|source| cannot(path, source))?;
    // The entry in the directory must survive a power cut as the content does.
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(|source| cannot(directory, source))?;
    Ok(lock)
}

/// Only the owner may read it: parameters and reported callers stand in the store.
fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn cannot(path: &Path, source: io::Error) -> OpenError {
    OpenError::File {
        path: path.to_owned(),
        source,
    }
}
