//! Where the hashes and entries of a tree lie (C2SP `tlog-tiles`).

use std::fmt;
use std::str::FromStr;

use super::hash::{HASH_BYTES, Hash};

/// Hashes of a full tile, and entries of a full bundle.
pub const TILE_WIDTH: u16 = 256;
/// Levels of the tree that one level of tiles spans.
pub const TILE_HEIGHT: u8 = 8;
/// The highest level that a path can name.
const MAX_LEVEL: u8 = 63;

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// Entries: `tile/entries/…`.
    Entries,
    /// Hashes: of entries at level 0, of full tiles of the level below above it.
    Hashes(u8),
}

/// The path of a tile or of an entry bundle, relative to the log's prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TilePath {
    level: Level,
    index: u64,
    width: u16,
}

/// The text is no path of a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the path of a tile; one is for instance `tile/0/x001/067` or `tile/entries/000.p/5`")]
pub struct InvalidTilePath;

/// A tree of this many entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tree(pub u64);

impl TilePath {
    /// The path of a tile this wide; none when the width is not between 1 and 256.
    pub fn new(level: Level, index: u64, width: u16) -> Option<Self> {
        (1..=TILE_WIDTH).contains(&width).then_some(Self {
            level,
            index,
            width,
        })
    }

    /// The path of a full tile.
    pub fn full(level: Level, index: u64) -> Self {
        Self {
            level,
            index,
            width: TILE_WIDTH,
        }
    }

    /// What it holds.
    pub fn level(self) -> Level {
        self.level
    }

    /// Its place in its level.
    pub fn index(self) -> u64 {
        self.index
    }

    /// How many hashes or entries it holds.
    pub fn width(self) -> u16 {
        self.width
    }

    /// Whether it is narrower than a full one.
    pub fn is_partial(self) -> bool {
        self.width < TILE_WIDTH
    }
}

impl Tree {
    /// How many hashes tiles of a level hold together.
    pub fn hashes_at(self, level: u8) -> u64 {
        let shift = u32::from(level) * u32::from(TILE_HEIGHT);
        self.0.checked_shr(shift).unwrap_or(0)
    }

    /// The tile or bundle with this place; none when the tree does not reach it.
    pub fn tile(self, level: Level, index: u64) -> Option<TilePath> {
        let hashes = match level {
            Level::Entries => self.0,
            Level::Hashes(level) => self.hashes_at(level),
        };
        let before = index.checked_mul(u64::from(TILE_WIDTH))?;
        let width = hashes.checked_sub(before)?.min(u64::from(TILE_WIDTH));
        TilePath::new(level, index, u16::try_from(width).ok()?)
    }

    /// Every tile of a level, from the left.
    pub fn tiles(self, level: Level) -> impl Iterator<Item = TilePath> {
        (0..).map_while(move |index| self.tile(level, index))
    }

    /// The levels of hashes that the tree has, from 0.
    pub fn levels(self) -> impl Iterator<Item = u8> {
        (0..=MAX_LEVEL).take_while(move |level| self.hashes_at(*level) > 0)
    }

    /// The width of the last, partial tile of each level; 0 where the last one is full.
    pub(super) fn partial_widths(self) -> Vec<u16> {
        let width = |level| self.hashes_at(level) % u64::from(TILE_WIDTH);
        let widths = self.levels().map(|level| u16::try_from(width(level)));
        widths.map(|width| width.unwrap_or(0)).collect()
    }
}

/// Reads a tile of hashes; none unless it holds exactly as many as it should.
pub fn parse_hashes(path: TilePath, bytes: &[u8]) -> Option<Vec<Hash>> {
    if bytes.len() != usize::from(path.width) * HASH_BYTES {
        return None;
    }
    let hashes = bytes.chunks_exact(HASH_BYTES);
    hashes
        .map(|hash| hash.try_into().ok().map(Hash::new))
        .collect()
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.level {
            Level::Entries => write!(f, "tile/entries/")?,
            Level::Hashes(level) => write!(f, "tile/{level}/")?,
        }
        let mut groups = vec![format!("{:03}", self.index % 1000)];
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups.push(format!("x{:03}", rest % 1000));
            rest /= 1000;
        }
        groups.reverse();
        f.write_str(&groups.join("/"))?;
        if self.is_partial() {
            write!(f, ".p/{}", self.width)?;
        }
        Ok(())
    }
}

impl FromStr for TilePath {
    type Err = InvalidTilePath;

    /// Takes what [`fmt::Display`] writes, and nothing else.
    fn from_str(text: &str) -> Result<Self, InvalidTilePath> {
        let parsed = parse(text).ok_or(InvalidTilePath)?;
        // One place has one path: no superfluous zeroes or groups.
        if parsed.to_string() == text {
            Ok(parsed)
        } else {
            Err(InvalidTilePath)
        }
    }
}

fn parse(text: &str) -> Option<TilePath> {
    let (level, rest) = text.strip_prefix("tile/")?.split_once('/')?;
    let level = match level {
        "entries" => Level::Entries,
        number => Level::Hashes(number.parse().ok().filter(|level| *level <= MAX_LEVEL)?),
    };
    let (index, width) = match rest.split_once(".p/") {
        None => (rest, TILE_WIDTH),
        Some((index, width)) => (index, width.parse().ok().filter(|w| *w < TILE_WIDTH)?),
    };
    let index = index.split('/').try_fold(0_u64, |index, group| {
        let group = group.strip_prefix('x').unwrap_or(group);
        let number: u64 = group.parse().ok().filter(|number| *number < 1000)?;
        index.checked_mul(1000)?.checked_add(number)
    })?;
    TilePath::new(level, index, width)
}
