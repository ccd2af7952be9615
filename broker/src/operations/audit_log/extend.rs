//! The next checkpoint: new entries into files, and the tree over them signed.

use super::trouble::{NotSequenced, RESTORE, broken};
use super::{AuditLog, Head, Signed};
use crate::domain::tlog::tile::{Level, TILE_WIDTH, Tree};
use crate::domain::tlog::{Checkpoint, TilePath, bundle, leaf_hash};
use crate::ports::store::tree::{Entry, TreeHead};

/// Entries of one step: what a busy second brings, and some megabytes.
const ENTRIES: u64 = 32 * TILE_WIDTH as u64;

/// A longer tree.
pub(super) struct Extension {
    /// Its head, signed and not yet published.
    pub(super) head: Head,
    /// The tiles that became full.
    pub(super) full: Vec<TilePath>,
    /// Whether there were more entries than one step takes.
    pub(super) more: bool,
    /// How many records wait for the next step.
    pub(super) waiting: u64,
}

impl Extension {
    pub(super) fn unchanged(head: &Head) -> Self {
        Self {
            head: head.clone(),
            full: Vec::new(),
            more: false,
            waiting: 0,
        }
    }
}

impl AuditLog {
    /// Writes the files of entries that were committed since, and signs the tree over all of them.
    pub(super) fn extend(&self, from: &Head) -> Result<Option<Extension>, NotSequenced> {
        let signer = match &self.identity.signer {
            Ok(signer) => signer,
            Err(why) => return Err(NotSequenced::Later(why.clone())),
        };
        self.look_at_published(from)?;
        let size = from.edge.size();
        let last = self.last_entry()?;
        if last < size {
            return Err(cut_off(last, size));
        }
        if last == size {
            return Ok(None);
        }
        let width = u64::from(TILE_WIDTH);
        let first = size - size % width;
        let until = last.min(first + ENTRIES);
        let wanted = usize::try_from(until - first).unwrap_or(0);
        let entries = self.store.entries(first, wanted)?;
        let mut edge = from.edge.clone();
        let mut full = Vec::new();
        for (number, entry) in (first + 1..=until).zip(dense(&entries, first, until)?) {
            let leaf = leaf_hash(entry.leaf.as_bytes());
            if number > size {
                edge.append(leaf, &mut full);
            } else if !is_last_leaf(from, number - first, leaf) {
                return Err(broken(
                    format!("record {number} was changed in the store after it was signed"),
                    RESTORE,
                ));
            }
        }
        let mut files = bundles(&entries, first, until)?;
        let full_paths = full.iter().map(|tile| tile.path);
        let full_paths = full_paths.chain(files.iter().map(|(path, _)| *path));
        let full_paths = full_paths.filter(|path| !path.is_partial()).collect();
        full.extend(edge.partial_tiles());
        files.extend(full.iter().map(|tile| (tile.path, tile.bytes())));
        self.files.write(&files)?;

        let checkpoint = Checkpoint {
            origin: from.stored.origin.clone(),
            size: edge.size(),
            root: edge.root(),
        };
        let text = checkpoint.text();
        let line = from.key.signature_line(&signer.sign(&text));
        let note = format!("{text}\n{line}");
        let signed = Signed {
            checkpoint,
            note: note.clone(),
            at: self.clock.now(),
            published: false,
        };
        let head = Head {
            stored: TreeHead {
                checkpoint: Some(note),
                ..from.stored.clone()
            },
            key: from.key.clone(),
            edge,
            signed: Some(signed),
        };
        Ok(Some(Extension {
            head,
            full: full_paths,
            more: until < last,
            waiting: last - until,
        }))
    }

    /// Refuses to sign beside somebody who has signed more.
    fn look_at_published(&self, head: &Head) -> Result<(), NotSequenced> {
        let Some(published) = self.files.checkpoint()? else {
            return Ok(());
        };
        let newest = head.signed.as_ref();
        if newest.is_some_and(|signed| signed.note.as_bytes() == published) {
            return Ok(());
        }
        match Checkpoint::open(&published, std::slice::from_ref(&head.key)) {
            Ok(checkpoint) if checkpoint.size > head.edge.size() => {
                Err(behind(head.edge.size(), checkpoint.size))
            }
            _ => Ok(()),
        }
    }
}

/// The store ends before what was signed.
pub(super) fn cut_off(last: u64, size: u64) -> NotSequenced {
    let what = format!(
        "the store ends with record {last}, and {size} records were signed: record {} and all after it \
         are missing",
        last + 1
    );
    broken(what, RESTORE)
}

/// The store's log ends before what was published.
pub(super) fn behind(size: u64, published: u64) -> NotSequenced {
    let what = format!(
        "the store is older than its published log: {published} records were signed, and the store knows \
         of {size}; record {} and all after it are missing or others",
        size + 1
    );
    broken(what, RESTORE)
}

/// The entries, if none between the two numbers is missing.
pub(super) fn dense(entries: &[Entry], after: u64, until: u64) -> Result<&[Entry], NotSequenced> {
    let numbers = (after + 1..=until).zip(entries.iter().map(Some).chain(std::iter::repeat(None)));
    for (number, entry) in numbers {
        if entry.is_none_or(|entry| entry.number != number) {
            let what = format!("record {number} is missing in the store");
            return Err(broken(what, RESTORE));
        }
    }
    Ok(entries)
}

/// The bundles of entries from the start of one on.
pub(super) fn bundles(
    entries: &[Entry],
    first: u64,
    size: u64,
) -> Result<Vec<(TilePath, Vec<u8>)>, NotSequenced> {
    let width = usize::from(TILE_WIDTH);
    let indexes = first / u64::from(TILE_WIDTH)..;
    let mut files = Vec::new();
    for (index, entries) in indexes.zip(entries.chunks(width)) {
        let mut bytes = Vec::new();
        for entry in entries {
            bundle::push(&mut bytes, entry.leaf.as_bytes())
                .map_err(|error| NotSequenced::Later(error.to_string()))?;
        }
        if let Some(path) = Tree(size).tile(Level::Entries, index) {
            files.push((path, bytes));
        }
    }
    Ok(files)
}

fn is_last_leaf(head: &Head, place: u64, leaf: crate::domain::tlog::Hash) -> bool {
    let place = usize::try_from(place).unwrap_or(0);
    head.edge.last_leaves().get(place.wrapping_sub(1)) == Some(&leaf)
}
