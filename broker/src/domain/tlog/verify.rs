//! Checks proofs (RFC 9162, sections 2.1.3.2 and 2.1.4.2).

use super::hash::{Hash, node_hash};

/// A proof proves something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The tree has no such entry, or the older tree is larger.
    #[error("the tree is too small for it")]
    OutOfRange,
    /// Too few or too many hashes.
    #[error("the proof has not as many hashes as it must have")]
    Length,
    /// Another root.
    #[error("the proof leads to another root")]
    Root,
}

/// Checks that `leaf` is entry `index` of the tree of `size` entries with this root.
pub fn inclusion(
    leaf: Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: Hash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::OutOfRange);
    }
    let (mut at, mut last) = (index, size - 1);
    let mut hash = leaf;
    for beside in proof {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(beside, &hash);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            hash = node_hash(&hash, beside);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    match (last, hash == root) {
        (0, true) => Ok(()),
        (0, false) => Err(ProofError::Root),
        _ => Err(ProofError::Length),
    }
}

/// The size of a tree with its root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// How many entries.
    pub size: u64,
    /// The root.
    pub root: Hash,
}

/// Checks that the older tree is a beginning of the newer one.
pub fn consistency(older: Head, newer: Head, proof: &[Hash]) -> Result<(), ProofError> {
    if older.size > newer.size {
        return Err(ProofError::OutOfRange);
    }
    if older.size == newer.size || older.size == 0 {
        let expected = if older.size == 0 {
            Hash::EMPTY_TREE
        } else {
            newer.root
        };
        return match (proof.is_empty(), older.root == expected) {
            (false, _) => Err(ProofError::Length),
            (true, false) => Err(ProofError::Root),
            (true, true) => Ok(()),
        };
    }
    let mut hashes = proof.iter().copied();
    let seed = if older.size.is_power_of_two() {
        Some(older.root)
    } else {
        hashes.next()
    };
    let seed = seed.ok_or(ProofError::Length)?;
    let (mut at, mut last) = (older.size - 1, newer.size - 1);
    while at & 1 == 1 {
        (at, last) = (at >> 1, last >> 1);
    }
    let (mut old, mut new) = (seed, seed);
    for hash in hashes {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if at & 1 == 1 || at == last {
            old = node_hash(&hash, &old);
            new = node_hash(&hash, &new);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            new = node_hash(&new, &hash);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    if last != 0 {
        Err(ProofError::Length)
    } else if old != older.root || new != newer.root {
        Err(ProofError::Root)
    } else {
        Ok(())
    }
}
