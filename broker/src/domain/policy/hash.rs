//! The hash by which a snapshot is known.

use std::fmt;

use data_encoding::HEXLOWER;
use ring::digest::{Context, SHA256, digest};
use serde::{Serialize, Serializer};

use super::source::SourceFile;

/// Says what is hashed, so that a later form cannot be taken for this one.
const DOMAIN: &[u8] = b"taskpass policy snapshot v2\0";

/// SHA-256 over the contents of the installation file and of a policy's files; neither the order of the latter
/// nor any names matter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyHash([u8; 32]);

impl PolicyHash {
    /// Hashes an installation file and a set of policy files.
    ///
    /// INVARIANT: whatever a decision depends on beside the request is in the hash. What is equal by hash alone
    /// is taken to decide alike.
    pub fn of(installation: &SourceFile, files: &[SourceFile]) -> Self {
        let of = |file: &SourceFile| digest(&SHA256, &file.bytes);
        let mut contents: Vec<_> = files.iter().map(of).collect();
        contents.sort_unstable_by(|a, b| a.as_ref().cmp(b.as_ref()));
        let mut context = Context::new(&SHA256);
        context.update(DOMAIN);
        context.update(of(installation).as_ref());
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
