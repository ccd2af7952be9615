//! The hash by which a snapshot is known.

use std::fmt;

use data_encoding::HEXLOWER;
use ring::digest::{Context, SHA256, digest};
use serde::{Serialize, Serializer};

use super::source::SourceFile;

/// Says what is hashed, so that a later form cannot be taken for this one.
const DOMAIN: &[u8] = b"taskpass policy sources v1\0";

/// SHA-256 over the contents of a policy's files; neither their order nor their names matter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyHash([u8; 32]);

impl PolicyHash {
    /// Hashes a set of files.
    pub fn of(files: &[SourceFile]) -> Self {
        let mut contents: Vec<_> = files
            .iter()
            .map(|file| digest(&SHA256, &file.bytes))
            .collect();
        contents.sort_unstable_by(|a, b| a.as_ref().cmp(b.as_ref()));
        let mut context = Context::new(&SHA256);
        context.update(DOMAIN);
        for content in contents {
            context.update(content.as_ref());
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(context.finish().as_ref());
        Self(hash)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for PolicyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for PolicyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for PolicyHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
