//! Compares every record of the store with the tree: what a start that trusts the last tiles leaves out.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::extend::{bundles, dense};
use super::trouble::{NotSequenced, RESTORE, broken};
use super::{AuditLog, Position};
use crate::domain::audit::Leaf;
use crate::domain::tlog::edge::Tile;
use crate::domain::tlog::tile::{Level, TILE_WIDTH, Tree, parse_hashes};
use crate::domain::tlog::{Edge, Hash, TilePath, leaf_hash};
use crate::ports::store::tree::Entry;

/// A pause after each bundle, so that a survey never takes much of the machine.
const PAUSE: Duration = Duration::from_millis(2);

/// A survey under way, one bundle after the other.
pub(super) struct Survey {
    size: u64,
    at: u64,
    edge: Edge,
    missing: BTreeSet<TilePath>,
    changed: BTreeSet<TilePath>,
    /// The first record that is not the one of its tile.
    first_other: Option<u64>,
    /// The files to write.
    write: BTreeSet<TilePath>,
}

/// What a survey found when the records are those that were signed.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) edge: Edge,
    pub(super) missing: BTreeSet<TilePath>,
    pub(super) changed: BTreeSet<TilePath>,
}

impl Survey {
    pub(super) fn new(size: u64) -> Self {
        Self::writing(size, &BTreeSet::new())
    }

    /// One that writes these files on its way.
    pub(super) fn writing(size: u64, files: &BTreeSet<TilePath>) -> Self {
        Self {
            size,
            at: 0,
            edge: Edge::default(),
            missing: BTreeSet::new(),
            changed: BTreeSet::new(),
            first_other: None,
            write: files.clone(),
        }
    }

    /// Looks at the next bundle; says whether there was one.
    pub(super) fn next_bundle(&mut self, log: &AuditLog) -> Result<bool, NotSequenced> {
        if self.at >= self.size {
            return Ok(false);
        }
        let first = self.at;
        let until = self.size.min(first + u64::from(TILE_WIDTH));
        let wanted = usize::try_from(until - first).unwrap_or(0);
        let entries = log.store.entries(first, wanted)?;
        let mut tiles = Vec::new();
        let leaves = dense(&entries, first, until)?
            .iter()
            .map(|entry| leaf_hash(entry.leaf.as_bytes()));
        let leaves: Vec<Hash> = leaves.collect();
        for leaf in &leaves {
            self.edge.append(*leaf, &mut tiles);
        }
        self.compare_leaves(log, first, &leaves)?;
        // Where the leaf is another one already, its details say no more.
        if self.first_other.is_none() {
            details_fit(&entries)?;
        }
        for (path, bytes) in bundles(&entries, first, self.size)? {
            self.look(log, path, &bytes)?;
        }
        self.look_at_tiles(log, &tiles)?;
        self.at = until;
        Ok(true)
    }

    /// Says which record was changed, if the records do not give the signed root.
    pub(super) fn finish(mut self, log: &AuditLog, root: Hash) -> Result<Found, NotSequenced> {
        let partial = self.edge.partial_tiles();
        if self.edge.root() != root {
            let what = match self.first_other {
                Some(number) => {
                    format!("record {number} was changed in the store after it was signed")
                }
                None => "records were changed in the store, and tiles with them".to_owned(),
            };
            return Err(broken(what, RESTORE));
        }
        self.look_at_tiles(log, &partial)?;
        Ok(Found {
            edge: self.edge,
            missing: self.missing,
            changed: self.changed,
        })
    }

    fn compare_leaves(
        &mut self,
        log: &AuditLog,
        first: u64,
        leaves: &[Hash],
    ) -> Result<(), NotSequenced> {
        let index = first / u64::from(TILE_WIDTH);
        let Some(path) = Tree(self.size).tile(Level::Hashes(0), index) else {
            return Ok(());
        };
        let tile = log.files.tile(path)?;
        let Some(tile) = tile.and_then(|bytes| parse_hashes(path, &bytes)) else {
            return Ok(());
        };
        let mut pairs = (first + 1..).zip(leaves.iter().zip(&tile));
        let other = pairs.find_map(|(number, (own, kept))| (own != kept).then_some(number));
        self.first_other = self.first_other.or(other);
        Ok(())
    }

    fn look_at_tiles(&mut self, log: &AuditLog, tiles: &[Tile]) -> Result<(), NotSequenced> {
        tiles
            .iter()
            .try_for_each(|tile| self.look(log, tile.path, &tile.bytes()))
    }

    fn look(&mut self, log: &AuditLog, path: TilePath, bytes: &[u8]) -> Result<(), NotSequenced> {
        if self.write.contains(&path) {
            log.files.write(&[(path, bytes.to_vec())])?;
            return Ok(());
        }
        let kept = match log.files.tile(path)? {
            // A partial file is forgotten once the full one is there, which begins as it did.
            None if path.is_partial() => {
                let full = log.files.tile(TilePath::full(path.level(), path.index()))?;
                full.map(|mut kept| {
                    kept.truncate(bytes.len());
                    kept
                })
            }
            kept => kept,
        };
        match kept {
            None => self.missing.insert(path),
            Some(kept) if kept != bytes => self.changed.insert(path),
            Some(_) => false,
        };
        Ok(())
    }
}

/// Details that are still there are those that the leaf commits to.
fn details_fit(entries: &[Entry]) -> Result<(), NotSequenced> {
    let other = entries.iter().find(|entry| {
        let leaf = serde_json::from_str::<Leaf>(&entry.leaf);
        entry.details.as_ref().is_some_and(|kept| {
            !leaf.is_ok_and(|leaf| leaf.commits_to(&kept.salt, kept.details.as_bytes()))
        })
    });
    match other {
        None => Ok(()),
        Some(entry) => Err(broken(
            format!(
                "the details of record {} were changed in the store",
                entry.number
            ),
            RESTORE,
        )),
    }
}

impl AuditLog {
    /// Compares all records that were signed at the start with the tree, little by little.
    pub async fn survey(self: Arc<Self>, stop: CancellationToken) {
        let Some(signed) = self.head().and_then(|head| head.signed.clone()) else {
            return;
        };
        let root = signed.checkpoint.root;
        let mut survey = Survey::new(signed.checkpoint.size);
        let outcome = loop {
            let step = self.blocking(move |log| {
                let more = survey.next_bundle(log)?;
                Ok((survey, more))
            });
            match step.await {
                Ok((next, true)) => survey = next,
                Ok((whole, false)) => {
                    break self.blocking(move |log| whole.finish(log, root)).await;
                }
                Err(error) => break Err(error),
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = stop.cancelled() => return,
            }
        };
        self.surveyed(outcome);
    }

    fn surveyed(&self, outcome: Result<Found, NotSequenced>) {
        match outcome {
            Ok(found) => {
                let files = found.changed.union(&found.missing).map(ToString::to_string);
                let files: Vec<String> = files.collect();
                if !files.is_empty() {
                    tracing::error!(audit.files = ?files, "files of the audit log were changed");
                }
                self.state.lock().damaged = files;
            }
            Err(NotSequenced::Broken(trouble)) => {
                tracing::error!(
                    audit.trouble = trouble.what,
                    "the audit log is broken: nothing is issued until an operator has looked"
                );
                self.state.lock().position = Position::Broken(trouble);
            }
            Err(NotSequenced::Later(why)) => {
                tracing::error!(
                    error.message = why,
                    "the audit log was not compared to its end"
                );
            }
        }
    }
}
