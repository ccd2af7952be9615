//! Reads the keys that seal secrets in the store: 32 random bytes each, in hexadecimal, in a file that
//! nobody but its owner can read.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use data_encoding::HEXLOWER_PERMISSIVE;
use zeroize::Zeroizing;

use super::key_file::readable_by_others;
use super::{ConfigError, invalid};
use crate::adapters::keys::sealing::SealingKey;

/// More than any key file holds.
const MAX_BYTES: u64 = 1024;

/// Reads a key file.
pub fn read(id: &str, path: &Path) -> Result<SealingKey, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let place = || format!("sealing_key.file = {}", path.display());
    let file = File::open(path).map_err(unreadable)?;
    if let Some(message) = readable_by_others(path, &file).map_err(unreadable)? {
        return Err(invalid(place(), message));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_BYTES)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    let bytes = HEXLOWER_PERMISSIVE
        .decode(text.trim().as_bytes())
        .map(Zeroizing::new);
    let key = bytes
        .ok()
        .and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok());
    key.map(Zeroizing::new)
        .and_then(|key| SealingKey::new(id.to_owned(), &key))
        .ok_or_else(|| {
            let message = format!(
                "it does not hold 64 hexadecimal digits; make one with `openssl rand -hex 32 > {}`",
                path.display()
            );
            invalid(place(), message)
        })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn attempt(content: &str, mode: u32) -> Result<SealingKey, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("seal.key");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        read("k1", &path).map_err(|error| error.to_string())
    }

    #[test]
    fn takes_a_private_file_with_a_whole_key() {
        let key = "ab".repeat(32);
        assert!(attempt(&format!("{key}\n"), 0o600).is_ok());
        assert!(attempt(&key, 0o400).is_ok());
        assert!(attempt(&key, 0o640).unwrap_err().contains("chmod 600"));
        assert!(attempt(&key, 0o604).unwrap_err().contains("chmod 600"));
        for bad in ["", "ab", &"zz".repeat(32), &"ab".repeat(33)] {
            assert!(
                attempt(bad, 0o600).unwrap_err().contains("openssl rand"),
                "{bad}"
            );
        }
    }

    #[test]
    fn names_a_file_that_is_missing() {
        let error = read("k1", Path::new("/nonexistent/seal.key")).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/seal.key"));
    }
}
