//! The credential files: one a credential, in a directory of their own on memory-backed storage.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::statfs;

use crate::environment::Environment;
use crate::failure::Failure;
use crate::local::wire::Credential;
use crate::request::credential_name;
use crate::run::arguments::Place;

/// `f_type` of the filesystems that keep files in memory (statfs(2)).
const TMPFS: u64 = 0x0102_1994;
const RAMFS: u64 = 0x8584_58f6;

/// Directories in use; the process that owns one holds a lock on it.
const PREFIX: &str = "taskpass-run-";
/// Directories whose lock is still to be taken.
const UNFINISHED: &str = ".taskpass-run-";

/// A fresh directory (0700) for credential files. Dropping it removes it with all that it holds.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    /// Held until the directory is gone: a later run takes an unlocked one for a leftover.
    _lock: File,
}

/// Where to look for memory-backed storage, in this order.
pub(super) fn usual_places(environment: &Environment, uid: u32) -> Vec<PathBuf> {
    let session = environment.directory("XDG_RUNTIME_DIR");
    let fixed = [
        "/dev/shm".into(),
        format!("/run/user/{uid}").into(),
        "/run".into(),
    ];
    session.into_iter().chain(fixed).collect()
}

impl Directory {
    /// Makes a directory where the place allows it.
    pub(super) fn create(place: &Place, usual: &[PathBuf]) -> Result<Self, Failure> {
        match place {
            Place::Any(parent) => Self::create_in(parent).map_err(|error| {
                unusable(parent)
                    .why(error)
                    .remedy("name a directory that you may write to")
            }),
            Place::Memory(parent) => Self::create_in_memory(parent).map_err(|error| {
                unusable(parent)
                    .why(error)
                    .remedy("name one on tmpfs, or allow a disk with --allow-disk")
            }),
            Place::Usual => Self::create_in_first(usual),
        }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a credential into its file (0600), replacing the file as a whole: who reads it gets the old
    /// one or the new one, never a part.
    pub(super) fn put(&self, credential: &Credential) -> Result<(), Failure> {
        let failed = |why: String| {
            Failure::new(format!("cannot write the credential `{}`", credential.name)).why(why)
        };
        let name = credential_name(&credential.name).map_err(failed)?;
        let new = self.path.join(format!(".{name}.new"));
        write_private(&new, credential.token.reveal().as_bytes())
            .and_then(|()| fs::rename(&new, self.path.join(&name)))
            .map_err(|error| failed(error.to_string()))
    }

    /// Removes a credential's file.
    pub(super) fn remove(&self, name: &str) {
        // A name that is none has no file either.
        if let Ok(name) = credential_name(name) {
            let _ = fs::remove_file(self.path.join(name));
        }
    }

    /// Removes the files and keeps the directory.
    pub(super) fn clear(&self) {
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            // What cannot be removed now is removed with the directory, or reported by nobody: it is
            // a token that has been taken back.
            let _ = fs::remove_file(entry.path());
        }
    }

    fn create_in_first(usual: &[PathBuf]) -> Result<Self, Failure> {
        let mut tried = Vec::new();
        for parent in usual {
            match Self::create_in_memory(parent) {
                Ok(directory) => return Ok(directory),
                Err(error) => tried.push(format!("`{}`: {error}", parent.display())),
            }
        }
        Err(
            Failure::new("found no memory-backed directory for the credential files")
                .why(tried.join(", "))
                .remedy("name one with --credentials-dir; a disk needs --allow-disk too"),
        )
    }

    fn create_in_memory(parent: &Path) -> io::Result<Self> {
        let kind = statfs(parent)?.f_type;
        if !matches!(u64::try_from(kind), Ok(TMPFS | RAMFS)) {
            return Err(io::Error::other("it lies on a disk"));
        }
        Self::create_in(parent)
    }

    fn create_in(parent: &Path) -> io::Result<Self> {
        remove_leftovers(parent);
        let unfinished = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(parent)?;
        let lock = File::open(unfinished.path())?;
        lock.lock()?;
        // INVARIANT: it gets its final name after its lock; else another run could take it for a leftover.
        let name = unfinished
            .path()
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        let path = parent.join(name.trim_start_matches('.'));
        fs::rename(unfinished.path(), &path)?;
        // Its old name is gone, so there is nothing to remove under it.
        drop(unfinished.keep());
        Ok(Self { path, _lock: lock })
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Removes directories of runs that were killed before they could do it.
fn remove_leftovers(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if !ours {
            continue;
        }
        // Somebody else's cannot be opened (0700), one in use is locked.
        let Ok(directory) = File::open(entry.path()) else {
            continue;
        };
        match directory.try_lock() {
            Ok(()) => drop(fs::remove_dir_all(entry.path())),
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
        }
    }
}

fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?
        .write_all(content)
}

fn unusable(parent: &Path) -> Failure {
    Failure::new(format!(
        "cannot keep credential files in `{}`",
        parent.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(name: &str, token: &str) -> Credential {
        serde_json::from_value(serde_json::json!({
            "name": name, "type": "jwt", "token": token, "lease": "lease_1",
            "expires_in": 60, "revocability": {"kind": "immediate"},
        }))
        .unwrap()
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn create(parent: &Path) -> Directory {
        Directory::create(&Place::Any(parent.to_owned()), &[]).unwrap()
    }

    #[test]
    fn files_are_private_and_gone_with_the_directory() {
        let parent = tempfile::tempdir().unwrap();
        let directory = create(parent.path());
        directory.put(&credential("docs-api", "one")).unwrap();
        let file = directory.path().join("docs-api");
        assert_eq!((mode(directory.path()), mode(&file)), (0o700, 0o600));
        assert_eq!(fs::read_to_string(&file).unwrap(), "one");
        drop(directory);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_renewed_credential_is_another_file_under_the_same_name() {
        let parent = tempfile::tempdir().unwrap();
        let directory = create(parent.path());
        directory
            .put(&credential("docs-api", "a long old one"))
            .unwrap();
        let mut old = File::open(directory.path().join("docs-api")).unwrap();
        directory.put(&credential("docs-api", "new")).unwrap();
        assert_eq!(io::read_to_string(&mut old).unwrap(), "a long old one");
        assert_eq!(
            fs::read_to_string(directory.path().join("docs-api")).unwrap(),
            "new"
        );
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let directory = create(parent.path());
        for name in ["../outside", "/etc/outside", "..", ""] {
            assert!(directory.put(&credential(name, "x")).is_err(), "{name}");
        }
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
    }

    #[test]
    fn leftovers_of_killed_runs_are_removed_and_live_ones_kept() {
        let parent = tempfile::tempdir().unwrap();
        let leftover = parent.path().join("taskpass-run-killed");
        fs::create_dir(&leftover).unwrap();
        fs::write(leftover.join("docs-api"), "x").unwrap();
        let foreign = parent.path().join("something-else");
        fs::create_dir(&foreign).unwrap();
        let live = create(parent.path());
        let other = create(parent.path());
        assert!(!leftover.exists());
        assert!(live.path().exists() && other.path().exists() && foreign.exists());
    }

    #[test]
    fn clearing_removes_the_files_only() {
        let parent = tempfile::tempdir().unwrap();
        let directory = create(parent.path());
        directory.put(&credential("docs-api", "one")).unwrap();
        directory.clear();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_place_that_is_not_in_memory_is_refused_with_what_to_try() {
        // /proc is neither tmpfs nor ramfs on any machine.
        let place = Place::Memory("/proc".into());
        insta::assert_snapshot!(Directory::create(&place, &[]).unwrap_err(), @r"
        cannot keep credential files in `/proc`
          why: it lies on a disk
          try: name one on tmpfs, or allow a disk with --allow-disk
        ");
        let usual = ["/proc".into(), "/no/such/place".into()];
        insta::assert_snapshot!(Directory::create(&Place::Usual, &usual).unwrap_err(), @r"
        found no memory-backed directory for the credential files
          why: `/proc`: it lies on a disk, `/no/such/place`: No such file or directory (os error 2)
          try: name one with --credentials-dir; a disk needs --allow-disk too
        ");
    }

    #[test]
    fn the_usual_places_begin_with_the_session() {
        let environment: Environment = [("XDG_RUNTIME_DIR", "/run/user/7")].into_iter().collect();
        let places = usual_places(&environment, 7);
        let expected = ["/run/user/7", "/dev/shm", "/run/user/7", "/run"];
        assert!(places.iter().eq(expected.map(Path::new)));
    }
}
