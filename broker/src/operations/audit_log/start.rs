//! Takes up the log where it ended, without hashing all of it again.

use std::convert::Infallible;

use serde_json::json;

use super::extend::{behind, cut_off};
use super::survey::Survey;
use super::trouble::{DIRECTORY, FILES, KEY, NotSequenced, broken};
use super::{AuditLog, Head, Signed};
use crate::domain::audit::{Event, Record};
use crate::domain::tlog::proof::{Prover, Tiles};
use crate::domain::tlog::tile::{Level, TILE_WIDTH, Tree, parse_hashes};
use crate::domain::tlog::{Checkpoint, Edge, Hash, TilePath, VerifierKey};
use crate::ports::log_files::LogFiles;
use crate::ports::store::tree::{TreeHead, TreeStep};

/// Where to start.
pub(super) enum Start {
    /// There is no log yet, or not in this epoch: it begins with this.
    Begin(TreeStep),
    /// Here; and the published files that are not what the records give.
    At(Head, Vec<String>),
}

impl AuditLog {
    /// Finds where the log ended.
    pub(super) fn start(&self) -> Result<Start, NotSequenced> {
        let stored = self.store.tree()?;
        let signer = match &self.identity.signer {
            Ok(signer) => signer,
            Err(why) => return Err(broken(why.clone(), KEY)),
        };
        let Some(stored) = stored else {
            return self.begin_first();
        };
        if stored.epoch != self.identity.epoch {
            return self.begin_next(stored);
        }
        let key = VerifierKey::new(&stored.origin, signer.public_key());
        let key = key.map_err(|error| broken(format!("`{}`: {error}", stored.origin), KEY))?;
        self.resume(stored, key)
    }

    fn begin_first(&self) -> Result<Start, NotSequenced> {
        if self.files.checkpoint()?.is_some() {
            let what =
                "the directory of the audit log has a checkpoint, and the store knows of no log";
            return Err(broken(what, DIRECTORY));
        }
        let next = self.fresh(self.identity.origin.clone());
        Ok(Start::Begin(TreeStep {
            expected: None,
            next,
            records: Vec::new(),
        }))
    }

    /// A store with a new epoch was put back from a backup: the log before it has gone on without it. The
    /// new one has a name of its own, and its first own record says where the old one was.
    fn begin_next(&self, before: TreeHead) -> Result<Start, NotSequenced> {
        // Named for the epoch that follows: an old one can be followed by several.
        let epoch = data_encoding::HEXLOWER.encode(&self.identity.epoch);
        let published = self.files.set_aside(&epoch)?;
        let published = published.map(|note| String::from_utf8_lossy(&note).into_owned());
        let next = self.fresh(format!("{}#{epoch}", self.identity.origin));
        let record = Record {
            details: json!({
                "origin": next.origin,
                "before": {
                    "origin": before.origin,
                    "published": published,
                    "in_the_backup": before.checkpoint,
                },
            }),
            ..Record::new(Event::LogContinued, self.clock.now())
        };
        tracing::warn!(
            audit.origin = next.origin,
            audit.before = before.origin,
            "the store has a new epoch: a new audit log begins"
        );
        Ok(Start::Begin(TreeStep {
            expected: Some(before),
            next,
            records: vec![record],
        }))
    }

    fn fresh(&self, origin: String) -> TreeHead {
        TreeHead {
            epoch: self.identity.epoch.clone(),
            origin,
            checkpoint: None,
        }
    }

    fn resume(&self, stored: TreeHead, key: VerifierKey) -> Result<Start, NotSequenced> {
        let published = self.files.checkpoint()?;
        let signed = match &stored.checkpoint {
            Some(note) => Some(self.signed(note, &key, published.as_deref())?),
            None => None,
        };
        let (size, root) = signed.as_ref().map_or((0, Hash::EMPTY_TREE), |signed| {
            (signed.checkpoint.size, signed.checkpoint.root)
        });
        let last = self.last_entry()?;
        if last < size {
            return Err(cut_off(last, size));
        }
        let published = published
            .map(|note| Checkpoint::open(&note, std::slice::from_ref(&key)))
            .transpose()
            .map_err(|error| broken(format!("`checkpoint`: {error}"), DIRECTORY))?;
        if let Some(published) = published.as_ref().filter(|published| published.size > size) {
            return Err(behind(size, published.size));
        }
        let (edge, damaged) = match self.edge(size, root) {
            Some(edge) => (edge, Vec::new()),
            None => self.edge_from_records(size, root)?,
        };
        if let Some(published) = published {
            let mut tiles = ReadTiles(self.files.as_ref());
            let then = Prover::new(size, &mut tiles).root_at(published.size);
            if damaged.is_empty() && then != Ok(published.root) {
                let what = format!(
                    "the published checkpoint of {} records is not one of this log",
                    published.size
                );
                return Err(broken(what, FILES));
            }
        }
        let head = Head {
            stored,
            key,
            edge,
            signed,
        };
        Ok(Start::At(head, damaged))
    }

    fn signed(
        &self,
        note: &str,
        key: &VerifierKey,
        published: Option<&[u8]>,
    ) -> Result<Signed, NotSequenced> {
        let checkpoint = Checkpoint::open(note.as_bytes(), std::slice::from_ref(key));
        let checkpoint = checkpoint
            .map_err(|error| broken(format!("the last checkpoint in the store: {error}"), KEY))?;
        Ok(Signed {
            checkpoint,
            note: note.to_owned(),
            at: self.clock.now(),
            published: published == Some(note.as_bytes()),
        })
    }

    /// The edge from the last tiles' files, if they give the signed root.
    fn edge(&self, size: u64, root: Hash) -> Option<Edge> {
        let width = u64::from(TILE_WIDTH);
        let tiles = Tree(size).levels().map(|level| {
            let hashes = Tree(size).hashes_at(level);
            if hashes.is_multiple_of(width) {
                return Some(Vec::new());
            }
            let path = Tree(size).tile(Level::Hashes(level), hashes / width)?;
            parse_hashes(path, &self.files.tile(path).ok()??)
        });
        let edge = Edge::of_tiles(size, tiles.collect::<Option<_>>()?)?;
        (edge.root() == root).then_some(edge)
    }

    /// The edge from all records, when files are missing or were changed. Writes those that are missing.
    fn edge_from_records(
        &self,
        size: u64,
        root: Hash,
    ) -> Result<(Edge, Vec<String>), NotSequenced> {
        tracing::warn!(
            audit.size = size,
            "tiles of the audit log are missing or were changed; all records are hashed again"
        );
        let mut survey = Survey::new(size);
        while survey.next_bundle(self)? {}
        let found = survey.finish(self, root)?;
        let mut again = Survey::writing(size, &found.missing);
        while again.next_bundle(self)? {}
        again.finish(self, root)?;
        let damaged = found.changed.iter().map(ToString::to_string);
        Ok((found.edge, damaged.collect()))
    }
}

/// Tiles as they are published; a tile that cannot be read gives no hashes, and so no proof that holds.
pub(super) struct ReadTiles<'a, F: ?Sized>(pub(super) &'a F);

impl<F: LogFiles + ?Sized> Tiles for ReadTiles<'_, F> {
    type Error = Infallible;

    fn tile(&mut self, path: TilePath) -> Result<Vec<Hash>, Infallible> {
        let own = self.0.tile(path).ok().flatten();
        let own = own.and_then(|bytes| parse_hashes(path, &bytes));
        // A partial tile is forgotten once it is full.
        let full = || {
            let full = TilePath::full(path.level(), path.index());
            let mut hashes = parse_hashes(full, &self.0.tile(full).ok()??)?;
            hashes.truncate(usize::from(path.width()));
            Some(hashes)
        };
        Ok(own.or_else(full).unwrap_or_default())
    }
}
