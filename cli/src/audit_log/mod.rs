//! The audit log in files, checked with nothing but its public key.
//!
//! - [`directory`]: a whole log, as the broker publishes it
//! - [`export`]: a file with records for auditors
//! - [`proof`]: one record with its proof
//! - [`trusted`]: the key, and checkpoints that were kept elsewhere
//! - [`report`]: what was found

pub(crate) mod directory;
pub(crate) mod export;
pub(crate) mod proof;
pub(crate) mod report;
pub(crate) mod trusted;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Reads a file that must not be longer than `limit`.
fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::other("it is longer than such a file may be"));
    }
    Ok(bytes)
}
