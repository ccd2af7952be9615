//! A transparency log: a Merkle tree over entries, its tiles, its signed checkpoints, and proofs.
//!
//! Hashing is that of RFC 6962, section 2.1 (the same in RFC 9162); files are those of the C2SP documents
//! `tlog-tiles`, `tlog-checkpoint`, `signed-note` and `tlog-proof`.
//!
//! - [`hash`]: hashes of entries and nodes
//! - [`edge`]: the right edge of a tree, all that is needed to extend it
//! - [`peaks`]: a tree as its perfect subtrees, all that is needed to check one
//! - [`tile`], [`bundle`]: where hashes and entries lie, and how
//! - [`note`], [`checkpoint`]: who signed what
//! - [`proof`], [`verify`]: making and checking proofs
//! - [`record_proof`]: one entry with its proof and checkpoint in a file of its own

pub mod bundle;
pub mod checkpoint;
pub mod edge;
pub mod hash;
pub mod note;
pub mod peaks;
pub mod proof;
pub mod record_proof;
#[cfg(test)]
mod tests;
pub mod tile;
pub mod verify;

pub use bundle::MAX_ENTRY_BYTES;
pub use checkpoint::Checkpoint;
pub use edge::Edge;
pub use hash::{Hash, leaf_hash, node_hash};
pub use note::VerifierKey;
pub use peaks::Peaks;
pub use tile::{TilePath, Tree};
