//! The files of a store: the database, and a lock beside it.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, lchown};
use std::path::{Path, PathBuf};

use super::open::OpenError;

/// Takes the lock of the store.
///
/// The lock is a file of its own: closing a second descriptor of the database would drop the locks that
/// SQLite holds on it.
pub(super) fn lock(path: &Path) -> Result<File, OpenError> {
    let directory = directory(path);
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
    Ok(lock)
}

/// Makes the database file if it is not there.
pub(super) fn make(path: &Path) -> Result<(), OpenError> {
    private(path).map_err(|source| cannot(path, source))?;
    // The entry in the directory must survive a power cut as the content does.
    sync_directory(path).map_err(|source| cannot(directory(path), source))
}

/// Whether a store was begun in the file.
pub(super) fn is_begun(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.len() > 0)
}

/// Whether a database file says of itself that it has no write-ahead log: bytes 18 and 19 of the header,
/// <https://www.sqlite.org/fileformat2.html#file_format_version_numbers>.
pub(super) fn is_without_log(path: &Path) -> bool {
    let mut header = [0; 20];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
    read.is_ok() && header.ends_with(&[1, 1])
}

/// Whether a database file ends within a page of 4 KiB, which is the size of every page of a store.
pub(super) fn ends_within_a_page(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| !file.len().is_multiple_of(4096))
}

/// Syncs the directory that a file stands in.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(directory(path)).and_then(|directory| directory.sync_all())
}

/// Makes a file the property of whoever owns the directory that it stands in.
///
/// The broker's user has to be able to open what root put there for it. A symbolic link is not followed: that user
/// could have put it there.
pub(super) fn give_to_owner_of_directory(path: &Path) -> io::Result<()> {
    let (file, directory) = (fs::symlink_metadata(path)?, fs::metadata(directory(path))?);
    if file.uid() == directory.uid() {
        return Ok(());
    }
    lchown(path, Some(directory.uid()), Some(directory.gid()))
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

/// Only the owner may read it: parameters and reported callers stand in the store.
pub(super) fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

/// The file of the same name with something behind it.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

pub(super) fn cannot(path: &Path, source: io::Error) -> OpenError {
    OpenError::File {
        path: path.to_owned(),
        source,
    }
}
