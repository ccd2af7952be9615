//! Checks a whole log in a directory: every entry, every tile, the signed root, and older checkpoints.

use std::path::Path;

use taskpass_broker::adapters::log_directory::LogDirectory;
use taskpass_broker::domain::tlog::edge::Tile;
use taskpass_broker::domain::tlog::tile::{Level, TILE_WIDTH, Tree, parse_hashes};
use taskpass_broker::domain::tlog::{Checkpoint, Edge, Hash, Peaks, TilePath, bundle, leaf_hash};
use taskpass_broker::ports::log_files::LogFiles;

use super::report::{Finding, Report};
use super::trusted::{Milestones, Trusted};

/// Checks the log in `directory`; tells `progress` how many records were looked at.
pub(crate) fn verify(
    directory: &Path,
    trusted: &Trusted,
    mut progress: impl FnMut(u64, u64),
) -> Report {
    let files = LogDirectory::new(directory);
    let mut report = Report::of(directory);
    let mut milestones = trusted.milestones(&mut report);
    let signed = match files.checkpoint() {
        Ok(Some(note)) => Checkpoint::open(&note, &trusted.keys).map_err(|e| e.to_string()),
        Ok(None) => Err("it is missing".to_owned()),
        Err(error) => Err(error.to_string()),
    };
    let signed = match signed {
        Ok(signed) => signed,
        Err(why) => {
            report.find(Finding::new(format!("`checkpoint`: {why}")));
            return report.finish();
        }
    };
    report.log(&signed.origin, signed.size);
    let mut walk = Walk::new(&files, signed.size);
    for path in Tree(signed.size).tiles(Level::Entries) {
        walk.bundle(path, &mut milestones);
        report.checked(u64::from(path.width()));
        progress(walk.entries.size(), signed.size);
    }
    walk.judge(signed.root, &mut report);
    milestones.finish(signed.size, &mut report);
    report.finish()
}

/// What entries give, beside what tiles say.
struct Walk<'a> {
    files: &'a LogDirectory,
    size: u64,
    /// The tree over the entries; where a bundle is missing, over the hashes of its tile.
    entries: Peaks,
    from_entries: Edge,
    /// The tree over the tiles of level 0.
    tiles: Peaks,
    from_tiles: Edge,
    /// Tiles of level 1 and above, as entries and as tiles give them.
    above_entries: Vec<Tile>,
    above_tiles: Vec<Tile>,
    /// Bundles and tiles that cannot be read, or not to their end.
    unreadable: Vec<Finding>,
    /// Records whose entry and tile differ.
    differing: Vec<(u64, TilePath)>,
}

impl<'a> Walk<'a> {
    fn new(files: &'a LogDirectory, size: u64) -> Self {
        Self {
            files,
            size,
            entries: Peaks::default(),
            from_entries: Edge::default(),
            tiles: Peaks::default(),
            from_tiles: Edge::default(),
            above_entries: Vec::new(),
            above_tiles: Vec::new(),
            unreadable: Vec::new(),
            differing: Vec::new(),
        }
    }

    fn bundle(&mut self, path: TilePath, milestones: &mut Milestones) {
        let first = path.index() * u64::from(TILE_WIDTH);
        let width = usize::from(path.width());
        let tile_path = TilePath::new(Level::Hashes(0), path.index(), path.width());
        let tile = tile_path.and_then(|path| self.hashes(path));
        let leaves = self.leaves(path, first);
        let pairs = leaves.iter().zip(tile.iter().flatten());
        let differing = (first + 1..).zip(pairs);
        let differing = differing.filter(|(_, (entry, kept))| entry != kept);
        self.differing
            .extend(differing.map(|(number, _)| (number, path)));
        // What cannot be read is taken from the other side, so that what follows keeps its place.
        let known = tile.clone().unwrap_or_default();
        for place in 0..width {
            let entry = leaves.get(place).or(known.get(place)).copied();
            let entry = entry.unwrap_or(Hash::EMPTY_TREE);
            let kept = known.get(place).copied().unwrap_or(entry);
            self.entries.append(entry);
            self.tiles.append(kept);
            self.from_entries.append(entry, &mut self.above_entries);
            self.from_tiles.append(kept, &mut self.above_tiles);
            let size = self.entries.size();
            if milestones.is_at(size) {
                milestones.pass(size, self.entries.root());
            }
        }
        let is_above = |tile: &Tile| tile.path.level() != Level::Hashes(0);
        self.above_entries.retain(is_above);
        self.above_tiles.retain(is_above);
    }

    /// The hashes of the entries of a bundle, as far as it can be read.
    fn leaves(&mut self, path: TilePath, first: u64) -> Vec<Hash> {
        let width = usize::from(path.width());
        let bytes = match self.read(path) {
            Ok(bytes) => bytes,
            Err(why) => {
                let last = first + u64::from(path.width());
                let what = format!("the bundle of records {} to {last} {why}", first + 1);
                self.unreadable.push(Finding::of_tile(path, what));
                return Vec::new();
            }
        };
        let (entries, is_whole) = match bundle::entries(&bytes) {
            Ok(entries) => (entries, true),
            Err(_) => (readable(&bytes), false),
        };
        let number = first + entries.len() as u64 + 1;
        // A partial bundle that became full meanwhile is longer.
        let is_longer = entries.len() > width && path.is_partial();
        if !is_whole || entries.len() < width {
            let what = "it is cut off in its bundle";
            self.unreadable
                .push(Finding::of_record(number, what).in_tile(path));
        } else if entries.len() > width && !is_longer {
            let what = "the bundle has more entries than records";
            self.unreadable.push(Finding::of_tile(path, what));
        }
        let leaves = entries.iter().take(width);
        leaves.map(|entry| leaf_hash(entry)).collect()
    }

    fn hashes(&mut self, path: TilePath) -> Option<Vec<Hash>> {
        let hashes = self.read(path).and_then(|mut bytes| {
            if path.is_partial() {
                bytes.truncate(usize::from(path.width()) * 32);
            }
            let wrong = || "does not hold as many hashes as it must".to_owned();
            parse_hashes(path, &bytes).ok_or_else(wrong)
        });
        match hashes {
            Ok(hashes) => Some(hashes),
            Err(why) => {
                let what = format!("the tile {why}");
                self.unreadable.push(Finding::of_tile(path, what));
                None
            }
        }
    }

    /// A partial file may have become full since the checkpoint was signed.
    fn read(&self, path: TilePath) -> Result<Vec<u8>, String> {
        let full = TilePath::full(path.level(), path.index());
        for path in [path, full] {
            match self.files.tile(path) {
                Ok(Some(bytes)) => return Ok(bytes),
                Ok(None) => {}
                Err(error) => return Err(format!("cannot be read: {error}")),
            }
        }
        Err("is missing".to_owned())
    }

    /// Says what was changed: what leads to the signed root was not.
    fn judge(mut self, root: Hash, report: &mut Report) {
        let entries_hold = self.entries.root() == root;
        let tiles_hold = self.tiles.root() == root;
        let (edge, mut above) = if entries_hold {
            (&self.from_entries, std::mem::take(&mut self.above_entries))
        } else {
            (&self.from_tiles, std::mem::take(&mut self.above_tiles))
        };
        let partial = edge.partial_tiles().into_iter();
        above.extend(partial.filter(|tile| tile.path.level() != Level::Hashes(0)));
        let above = self.compare_above(&above);
        for finding in std::mem::take(&mut self.unreadable) {
            report.find(finding);
        }
        for (number, path) in &self.differing {
            report.find(if entries_hold {
                let tile = TilePath::new(Level::Hashes(0), path.index(), path.width());
                let what = "the tile was changed: its hash is not the one of the record";
                Finding::of_record(*number, what).in_tile(tile.unwrap_or(*path))
            } else {
                let what = "it was changed: it is not the one that was signed";
                Finding::of_record(*number, what).in_tile(*path)
            });
        }
        for (tile, below) in above {
            report.find(if entries_hold || tiles_hold {
                let what = "the tile was changed: it is not what the tiles below it give";
                Finding::of_tile(tile, what)
            } else {
                Finding::of_tile(tile, self.below(below))
            });
        }
        if !entries_hold && !tiles_hold && report.is_clean() {
            report.find(Finding::new(format!(
                "records and tiles fit one another, but not the signed root: some of the records 1 to {} \
                 were changed, removed or put in another order, and the tiles with them",
                self.size
            )));
        } else if !entries_hold && report.is_clean() {
            report.find(Finding::new("the records do not give the signed root"));
        }
    }

    /// The tiles of level 1 and above that are not these, each with the first hash that differs.
    fn compare_above(&mut self, computed: &[Tile]) -> Vec<(TilePath, Option<(u8, u64)>)> {
        let mut different = Vec::new();
        for tile in computed {
            let Some(kept) = self.hashes(tile.path) else {
                continue;
            };
            let places = (0_u64..).zip(kept.iter().zip(&tile.hashes));
            let first = places
                .filter(|(_, (kept, own))| kept != own)
                .map(|(n, _)| n)
                .next();
            if let (Some(place), Level::Hashes(level)) = (first, tile.path.level()) {
                let below = level.checked_sub(1);
                let index = tile.path.index() * u64::from(TILE_WIDTH) + place;
                different.push((tile.path, below.map(|level| (level, index))));
            }
        }
        different
    }

    /// Words for a tile that the one above does not know.
    fn below(&self, place: Option<(u8, u64)>) -> String {
        let Some((level, index)) = place else {
            return "the tile was changed".to_owned();
        };
        let tile = TilePath::full(Level::Hashes(level), index);
        let span = u64::from(TILE_WIDTH).saturating_pow(u32::from(level) + 1);
        let first = index.saturating_mul(span).saturating_add(1);
        let last = index.saturating_add(1).saturating_mul(span).min(self.size);
        format!(
            "it and `{tile}` do not fit: records {first} to {last} were changed, removed or put in another \
             order, or one of the two tiles"
        )
    }
}

/// The entries before the place where a bundle is cut off.
fn readable(bytes: &[u8]) -> Vec<&[u8]> {
    let mut rest = bytes;
    let mut found = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes(*length));
        let Some((entry, after)) = after.split_at_checked(length) else {
            break;
        };
        found.push(entry);
        rest = after;
    }
    found
}
