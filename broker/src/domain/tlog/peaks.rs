//! A tree as its perfect subtrees: all that is needed to follow its growth and to know its root.

use super::hash::{Hash, node_hash};

/// The perfect subtrees of a tree, the largest first: one for each bit of its size.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Peaks {
    size: u64,
    hashes: Vec<Hash>,
}

/// The number of hashes, or their order, is not that of the range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("these are not the subtrees of such a range")]
pub struct WrongSubtrees;

impl Peaks {
    /// A tree of this size with these subtrees.
    pub fn new(size: u64, hashes: Vec<Hash>) -> Result<Self, WrongSubtrees> {
        if usize::try_from(size.count_ones()) == Ok(hashes.len()) {
            Ok(Self { size, hashes })
        } else {
            Err(WrongSubtrees)
        }
    }

    /// How many entries the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The subtrees, the largest first.
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// Extends the tree by an entry.
    pub fn append(&mut self, leaf: Hash) {
        self.add(0, leaf);
    }

    /// Extends the tree by perfect subtrees up to `size`, as [`subtrees`] orders them.
    pub fn append_subtrees(&mut self, size: u64, hashes: &[Hash]) -> Result<(), WrongSubtrees> {
        let ranges = subtrees(self.size, size);
        if ranges.len() != hashes.len() {
            return Err(WrongSubtrees);
        }
        for (subtree, hash) in ranges.iter().zip(hashes) {
            self.add(subtree.level, *hash);
        }
        Ok(())
    }

    /// The tree's root.
    pub fn root(&self) -> Hash {
        fold(&self.hashes)
    }

    /// INVARIANT: the size is a multiple of 2^level, as it is for what [`subtrees`] lists; otherwise the
    /// subtree would not be one of this tree.
    fn add(&mut self, level: u8, hash: Hash) {
        let mut hash = hash;
        let mut carried = self.size >> level;
        while carried & 1 == 1 {
            let left = self.hashes.pop().unwrap_or(hash);
            hash = node_hash(&left, &hash);
            carried >>= 1;
        }
        self.hashes.push(hash);
        self.size += 1 << level;
    }
}

/// A perfect subtree of 2^level entries, from entry `index` · 2^level on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subtree {
    /// Its height.
    pub level: u8,
    /// Its place among those of its height.
    pub index: u64,
}

/// The fewest perfect subtrees that cover the entries from `start` up to `end`, from the left.
pub fn subtrees(start: u64, end: u64) -> Vec<Subtree> {
    let mut found = Vec::new();
    let mut at = start;
    while at < end {
        let aligned = at.trailing_zeros();
        let fitting = (end - at).ilog2();
        let level = u8::try_from(aligned.min(fitting)).unwrap_or(0);
        found.push(Subtree {
            level,
            index: at >> level,
        });
        at += 1 << level;
    }
    found
}

/// The root over perfect subtrees of falling size.
pub(super) fn fold(peaks: &[Hash]) -> Hash {
    let joined = peaks
        .iter()
        .rev()
        .copied()
        .reduce(|right, left| node_hash(&left, &right));
    joined.unwrap_or(Hash::EMPTY_TREE)
}
