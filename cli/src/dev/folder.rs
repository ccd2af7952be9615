//! The folder of `taskpass dev`: private to its owner, and of one process at a time.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Locked for as long as a process has the folder.
const LOCK: &str = "dev.lock";
/// What tells the folder of an older version, which had no lock.
const AUTHORITY: &str = "authority.key";

/// A folder that no other `taskpass dev` uses. It is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Takes a folder that is new, empty, or was taken before, and makes it private. Nothing else is written.
    pub(crate) fn take(path: &Path) -> Result<Self, Failure> {
        let cannot = || Failure::new(format!("cannot keep everything in `{}`", path.display()));
        let make = DirBuilder::new().recursive(true).mode(0o700).create(path);
        make.map_err(|error| {
            cannot()
                .why(error)
                .remedy("name a folder that you may write to: --dir DIR")
        })?;
        if !is_ours(path).map_err(|error| cannot().why(error))? {
            return Err(Failure::usage(format!("cannot keep everything in `{}`", path.display()))
                .why("it holds files that are not of `taskpass dev`")
                .remedy("name a folder that is new, empty, or was made by `taskpass dev`: --dir DIR"));
        }
        // INVARIANT: private before the authority's key lies in it.
        fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(|error| {
            cannot()
                .why(error)
                .remedy("name a folder of your own: --dir DIR")
        })?;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join(LOCK))
            .map_err(|error| cannot().why(error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(cannot()
                .why("another `taskpass dev` runs in it")
                .remedy("use that one, or name another folder and ports of its own: --dir DIR --free-ports")),
            Err(TryLockError::Error(error)) => Err(cannot().why(error)),
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

fn is_ours(path: &Path) -> io::Result<bool> {
    if path.join(LOCK).exists() || path.join(AUTHORITY).exists() {
        return Ok(true);
    }
    Ok(fs::read_dir(path)?.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_made_private_and_taken_by_one_at_a_time() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("dev");
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        let first = Folder::take(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o700
        );
        let second = Folder::take(&path).unwrap_err().to_string();
        assert!(
            second.contains("another `taskpass dev` runs in it"),
            "{second}"
        );
        drop(first);
        assert!(Folder::take(&path).is_ok());
    }

    #[test]
    fn a_folder_with_files_of_others_is_left_as_it_is() {
        let home = tempfile::tempdir().unwrap();
        fs::set_permissions(home.path(), Permissions::from_mode(0o755)).unwrap();
        fs::write(home.path().join("thesis.txt"), "x").unwrap();
        let refused = Folder::take(home.path()).unwrap_err();
        assert_eq!(refused.exit_code().code(), 2);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
        assert_eq!(
            fs::metadata(home.path()).unwrap().permissions().mode() & 0o777,
            0o755
        );
    }
}
