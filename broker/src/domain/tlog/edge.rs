//! The right edge of a tree: the last tile of each level, all that is needed to extend it.

use super::hash::{Hash, node_hash, perfect_root};
use super::peaks::fold;
use super::tile::{Level, TILE_WIDTH, TilePath, Tree};

/// The last, partial tile of each level. It holds at most 255 hashes a level, whatever the tree's size.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Edge {
    size: u64,
    levels: Vec<Vec<Hash>>,
}

/// A tile with what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// Where it lies.
    pub path: TilePath,
    /// Its hashes, from the left.
    pub hashes: Vec<Hash>,
}

impl Edge {
    /// The edge of the tree of this size whose last tiles are these, from level 0; none when their widths
    /// are not those of such a tree.
    pub fn of_tiles(size: u64, levels: Vec<Vec<Hash>>) -> Option<Self> {
        let widths = Tree(size).partial_widths();
        let fits = widths.len() == levels.len()
            && widths
                .iter()
                .zip(&levels)
                .all(|(width, tile)| usize::from(*width) == tile.len());
        fits.then_some(Self { size, levels })
    }

    /// How many entries the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The hashes of the entries of the last, partial tile.
    pub fn last_leaves(&self) -> &[Hash] {
        self.levels.first().map_or(&[], Vec::as_slice)
    }

    /// Extends the tree by an entry. Tiles that it fills are added to `full`, from the lowest level.
    pub fn append(&mut self, leaf: Hash, full: &mut Vec<Tile>) {
        self.size += 1;
        let mut hash = leaf;
        for level in 0_u8.. {
            let place = usize::from(level);
            if self.levels.len() == place {
                self.levels.push(Vec::new());
            }
            let Some(tile) = self.levels.get_mut(place) else {
                return;
            };
            tile.push(hash);
            if tile.len() < usize::from(TILE_WIDTH) {
                return;
            }
            let hashes = std::mem::take(tile);
            hash = perfect_root(&hashes);
            let index = Tree(self.size).hashes_at(level) / u64::from(TILE_WIDTH) - 1;
            full.push(Tile {
                path: TilePath::full(Level::Hashes(level), index),
                hashes,
            });
        }
    }

    /// The partial tiles, from the lowest level.
    pub fn partial_tiles(&self) -> Vec<Tile> {
        let with_paths = (0_u8..).zip(&self.levels).filter_map(|(level, hashes)| {
            let index = Tree(self.size).hashes_at(level) / u64::from(TILE_WIDTH);
            let width = u16::try_from(hashes.len()).ok()?;
            let path = TilePath::new(Level::Hashes(level), index, width)?;
            Some(Tile {
                path,
                hashes: hashes.clone(),
            })
        });
        with_paths.collect()
    }

    /// The tree's root.
    pub fn root(&self) -> Hash {
        let peaks = self.levels.iter().rev().flat_map(|tile| peaks_of(tile));
        fold(&peaks.collect::<Vec<_>>())
    }
}

impl Tile {
    /// What the file holds.
    pub fn bytes(&self) -> Vec<u8> {
        let bytes = self.hashes.iter().flat_map(|hash| *hash.as_bytes());
        bytes.collect()
    }
}

/// The perfect subtrees of a partial tile, the largest first.
fn peaks_of(hashes: &[Hash]) -> Vec<Hash> {
    let mut peaks: Vec<(u32, Hash)> = Vec::new();
    for hash in hashes {
        let mut top = (0, *hash);
        while let Some((height, left)) = peaks.last().copied() {
            if height != top.0 {
                break;
            }
            peaks.pop();
            top = (height + 1, node_hash(&left, &top.1));
        }
        peaks.push(top);
    }
    peaks.into_iter().map(|(_, hash)| hash).collect()
}
