//! The log's arithmetic against the vectors of others, against a plain reading of RFC 6962, and against
//! whatever bytes come.

mod files;
mod proofs;
mod signatures;

use super::hash::{Hash, leaf_hash, node_hash};
use super::proof::Tiles;
use super::{Edge, TilePath};
use std::collections::BTreeMap;
use std::convert::Infallible;

/// Entry number `index` of every test tree.
pub(super) fn entry(index: u64) -> Vec<u8> {
    format!("entry {index}").into_bytes()
}

pub(super) fn leaves(size: u64) -> Vec<Hash> {
    (0..size).map(|index| leaf_hash(&entry(index))).collect()
}

/// MTH of RFC 6962, section 2.1, word for word.
pub(super) fn plain_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash::sha256(b""),
        [one] => *one,
        _ => {
            let mut k = 1;
            while k * 2 < leaves.len() {
                k *= 2;
            }
            let (left, right) = leaves.split_at(k);
            node_hash(&plain_root(left), &plain_root(right))
        }
    }
}

/// Every tile that a growing tree ever had.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) edge: Edge,
    pub(super) tiles: BTreeMap<String, Vec<Hash>>,
}

impl Kept {
    /// A tree of this size, with the partial tiles of that size alone.
    pub(super) fn of(size: u64) -> Self {
        let mut this = Self::default();
        let mut full = Vec::new();
        for leaf in leaves(size) {
            this.edge.append(leaf, &mut full);
        }
        full.extend(this.edge.partial_tiles());
        for tile in full {
            assert_eq!(usize::from(tile.path.width()), tile.hashes.len());
            this.tiles.insert(tile.path.to_string(), tile.hashes);
        }
        this
    }
}

impl Tiles for Kept {
    type Error = Infallible;

    fn tile(&mut self, path: TilePath) -> Result<Vec<Hash>, Infallible> {
        Ok(self.tiles[&path.to_string()].clone())
    }
}
