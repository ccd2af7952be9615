//! Hashes of entries and nodes (RFC 6962, section 2.1).

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64;
use ring::digest::{Context, SHA256, digest};

/// Bytes of a hash.
pub const HASH_BYTES: usize = 32;

/// A SHA-256 hash of the tree. Shown in standard base64.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash([u8; HASH_BYTES]);

/// The text is not the base64 of 32 bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a hash; one is 44 characters of base64")]
pub struct InvalidHash(String);

/// Hashes an entry: SHA-256(0x00 ‖ entry).
pub fn leaf_hash(entry: &[u8]) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(&[0]);
    context.update(entry);
    Hash::of(context)
}

/// Hashes two nodes into the one above: SHA-256(0x01 ‖ left ‖ right).
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(&[1]);
    context.update(&left.0);
    context.update(&right.0);
    Hash::of(context)
}

/// Hashes a tree whose leaves are these hashes; their number is a power of two.
///
/// Answers the hash of the empty tree when there are none.
pub fn perfect_root(hashes: &[Hash]) -> Hash {
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        let pairs = row.chunks(2).map(|pair| match pair {
            [left, right] => node_hash(left, right),
            [one] => *one,
            _ => Hash::EMPTY_TREE,
        });
        row = pairs.collect();
    }
    row.first().copied().unwrap_or(Hash::EMPTY_TREE)
}

impl Hash {
    /// The root of a tree without entries: SHA-256 of nothing.
    pub const EMPTY_TREE: Self = Self([
        0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9,
        0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52,
        0xb8, 0x55,
    ]);

    /// The hash that has these bytes.
    pub const fn new(bytes: [u8; HASH_BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; HASH_BYTES] {
        &self.0
    }

    /// SHA-256 of plain bytes: no hash of the tree.
    pub fn sha256(bytes: &[u8]) -> Self {
        Self::copied(digest(&SHA256, bytes).as_ref())
    }

    fn of(context: Context) -> Self {
        Self::copied(context.finish().as_ref())
    }

    fn copied(digest: &[u8]) -> Self {
        let mut bytes = [0; HASH_BYTES];
        bytes.copy_from_slice(digest);
        Self(bytes)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64.encode(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl FromStr for Hash {
    type Err = InvalidHash;

    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        let bytes = BASE64.decode(text.as_bytes()).ok();
        bytes
            .and_then(|bytes| <[u8; HASH_BYTES]>::try_from(bytes).ok())
            .map(Self)
            .ok_or_else(|| InvalidHash(text.chars().take(64).collect()))
    }
}
