//! Makes proofs (RFC 6962, sections 2.1.1 and 2.1.2).

use super::hash::{Hash, node_hash, perfect_root};
use super::peaks::subtrees;
use super::tile::{Level, TILE_HEIGHT, TILE_WIDTH, TilePath, Tree};

/// Gives the tiles of a tree.
pub trait Tiles {
    /// Why a tile could not be had.
    type Error;

    /// The hashes of a tile of hashes.
    fn tile(&mut self, path: TilePath) -> Result<Vec<Hash>, Self::Error>;
}

/// A tree whose tiles can be had.
pub struct Prover<'a, T> {
    tree: Tree,
    tiles: &'a mut T,
}

impl<'a, T: Tiles> Prover<'a, T> {
    /// The tree of this size that these tiles are of. It may have grown since.
    pub fn new(size: u64, tiles: &'a mut T) -> Self {
        let tree = Tree(size);
        Self { tree, tiles }
    }

    /// The hashes beside the path from entry `index` up to the root, from the bottom.
    ///
    /// Empty when the tree has no such entry.
    pub fn inclusion(&mut self, index: u64) -> Result<Vec<Hash>, T::Error> {
        let mut beside = Vec::new();
        let (mut start, mut end) = (0, self.tree.0);
        while index < self.tree.0 && end - start > 1 {
            let middle = start + split(end - start);
            if index < middle {
                beside.push((middle, end));
                end = middle;
            } else {
                beside.push((start, middle));
                start = middle;
            }
        }
        self.hashes(beside)
    }

    /// Proves that the tree of `size` entries is a beginning of this one.
    ///
    /// Empty when they are the same, or the older one is empty or larger.
    pub fn consistency(&mut self, size: u64) -> Result<Vec<Hash>, T::Error> {
        let mut beside = Vec::new();
        let (mut start, mut end) = (0, self.tree.0);
        if size == 0 || size >= end {
            return Ok(Vec::new());
        }
        while end != size {
            let middle = start + split(end - start);
            if size <= middle {
                beside.push((middle, end));
                end = middle;
            } else {
                beside.push((start, middle));
                start = middle;
            }
        }
        if start > 0 {
            beside.push((start, end));
        }
        self.hashes(beside)
    }

    /// The root of the tree when it had `size` entries.
    pub fn root_at(&mut self, size: u64) -> Result<Hash, T::Error> {
        self.range(0, size.min(self.tree.0))
    }

    /// The perfect subtrees between two entries, as [`subtrees`] orders them.
    pub fn subtrees(&mut self, start: u64, end: u64) -> Result<Vec<Hash>, T::Error> {
        let parts = subtrees(start, end.min(self.tree.0));
        parts
            .into_iter()
            .map(|part| self.node(part.level, part.index))
            .collect()
    }

    fn hashes(&mut self, beside: Vec<(u64, u64)>) -> Result<Vec<Hash>, T::Error> {
        let from_the_bottom = beside.into_iter().rev();
        from_the_bottom
            .map(|(start, end)| self.range(start, end))
            .collect()
    }

    /// The root over a range that is a subtree of some tree, so that its parts only grow smaller.
    fn range(&mut self, start: u64, end: u64) -> Result<Hash, T::Error> {
        let parts = self.subtrees(start, end)?;
        let joined = parts
            .into_iter()
            .rev()
            .reduce(|right, left| node_hash(&left, &right));
        Ok(joined.unwrap_or(Hash::EMPTY_TREE))
    }

    /// A perfect subtree, from the tile that its top lies in.
    fn node(&mut self, height: u8, index: u64) -> Result<Hash, T::Error> {
        let (level, inside) = (height / TILE_HEIGHT, height % TILE_HEIGHT);
        let first = index << inside;
        let width = u64::from(TILE_WIDTH);
        let path = self.tree.tile(Level::Hashes(level), first / width);
        let tile = match path {
            Some(path) => self.tiles.tile(path)?,
            None => Vec::new(),
        };
        let from = usize::try_from(first % width).unwrap_or(0);
        let hashes = tile.get(from..from + (1 << inside)).unwrap_or(&[]);
        Ok(perfect_root(hashes))
    }
}

/// The largest power of two that is smaller than `count`, which is more than 1.
fn split(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}
