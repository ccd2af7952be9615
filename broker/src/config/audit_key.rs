//! Reads the key that signs the audit log, and makes one: PKCS#8 in PEM, in a file that nobody but its
//! owner can read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use zeroize::Zeroizing;

use super::key_file::readable_by_others;
use super::{ConfigError, invalid};
use crate::adapters::keys::audit_key::AuditKey;
use crate::ports::random::Random;

/// More than any key file holds.
const MAX_BYTES: u64 = 4096;

/// Reads a key file.
pub fn read(path: &Path) -> Result<AuditKey, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let place = || format!("audit.key_file = {}", path.display());
    let file = File::open(path).map_err(unreadable)?;
    if let Some(message) = readable_by_others(path, &file).map_err(unreadable)? {
        return Err(invalid(place(), message));
    }
    let mut pem = Zeroizing::new(Vec::new());
    file.take(MAX_BYTES)
        .read_to_end(&mut pem)
        .map_err(unreadable)?;
    AuditKey::from_pem(&pem).map_err(|error| {
        let message = format!("{error}; make one with `taskpass audit key --create FILE`");
        invalid(place(), message)
    })
}

/// Makes a key file. One that is there is never replaced.
pub fn create(path: &Path, random: &dyn Random) -> io::Result<()> {
    let pem = AuditKey::new_pem(random).map_err(io::Error::other)?;
    let beside = path.with_added_extension("new");
    let _ = fs::remove_file(&beside);
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside);
    let mut file = file?;
    file.write_all(pem.as_bytes())?;
    file.sync_all()?;
    // A link fails where a rename would replace.
    let linked = fs::hard_link(&beside, path);
    fs::remove_file(&beside)?;
    linked?;
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::ports::log_files::CheckpointSigner;
    use crate::ports::random::fake::CountingRandom;

    #[test]
    fn a_key_is_made_once_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.key");
        let random = CountingRandom::default();
        create(&path, &random).unwrap();
        let first = read(&path).unwrap().public_key();
        let again = create(&path, &random).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(read(&path).unwrap().public_key(), first);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = read(&path).err().unwrap().to_string();
        assert!(error.contains("chmod 600"), "{error}");
    }
}
