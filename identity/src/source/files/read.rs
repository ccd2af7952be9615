//! Reads small files, and private keys only where others may not.

use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use zeroize::Zeroizing;

use super::error::{FileError, WhyFile};

const MAX_BYTES: u64 = 1 << 20;
const OTHERS: u32 = 0o007;

/// Reads a file that anybody may know.
pub(super) fn public(path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    read(path, |_| Ok(()))
}

/// Reads a file with a private key.
///
/// The owner's group may have access: that is how helpers hand keys to services of other users.
pub(super) fn private(path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    read(path, |metadata| {
        let mode = metadata.permissions().mode() & 0o7777;
        if mode & OTHERS == 0 {
            Ok(())
        } else {
            Err(WhyFile::OpenToOthers(mode))
        }
    })
}

fn read(
    path: &Path,
    check: impl FnOnce(&Metadata) -> Result<(), WhyFile>,
) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let read = || {
        // Opening a pipe would wait for somebody to write into it.
        if !std::fs::metadata(path)?.is_file() {
            return Err(WhyFile::NotAFile);
        }
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        check(&metadata)?;
        // Room for all of it from the start: growing would leave copies of a key behind.
        let room = usize::try_from(metadata.len().min(MAX_BYTES)).unwrap_or(0) + 1;
        let mut bytes = Zeroizing::new(Vec::with_capacity(room));
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length <= MAX_BYTES) {
            Ok(bytes)
        } else {
            Err(WhyFile::TooLarge)
        }
    };
    read().map_err(|why| FileError {
        path: path.to_owned(),
        why,
    })
}
