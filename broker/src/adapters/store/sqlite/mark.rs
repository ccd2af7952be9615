//! What is known of a store outside of it: how many records its audit log had.
//!
//! It lies beside the database, so that an old copy of the database, put in place of a newer one, is noticed:
//! the copy has fewer records than its mark says. The same tells a store that was emptied from a new one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;

use super::files::beside;

/// The first line of the file.
const TITLE: &str = "taskpass store mark 1";

/// The mark of a store.
#[derive(Debug)]
pub(super) struct Mark {
    path: PathBuf,
    known: Known,
    failing: bool,
}

/// What a mark says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// The epoch, in hexadecimal.
    pub(super) epoch: String,
    /// The records that the audit log had in it, at least.
    pub(super) records: u64,
}

impl Mark {
    /// The mark of the store at `path`, as it stands. Without one, or with one that cannot be understood,
    /// nothing is known.
    pub(super) fn of(path: &Path) -> Self {
        let path = beside(path, ".mark");
        let text = fs::read_to_string(&path).ok();
        Self {
            path,
            known: text.and_then(|text| parse(&text)).unwrap_or_default(),
            failing: false,
        }
    }

    /// What it says.
    pub(super) fn known(&self) -> &Known {
        &self.known
    }

    /// Where it lies.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The same for a store in this epoch: in a new one, records are counted from what the store has.
    pub(super) fn in_epoch(mut self, epoch: &[u8]) -> Self {
        let epoch = HEXLOWER.encode(epoch);
        if self.known.epoch != epoch {
            self.known = Known { epoch, records: 0 };
        }
        self
    }

    /// Raises the mark. It never goes back, and is never ahead of what is durable in the store.
    ///
    /// A failure costs nothing now: an old copy that is put in place before the next success is noticed only
    /// if it is older than the mark.
    pub(super) fn raise(&mut self, records: u64) {
        if records <= self.known.records {
            return;
        }
        match self.write(records) {
            Ok(()) => {
                self.known.records = records;
                self.failing = false;
            }
            Err(error) => {
                if !self.failing {
                    tracing::warn!(%error, file = %self.path.display(), "the store's mark cannot be written");
                }
                self.failing = true;
            }
        }
    }

    /// Whole or not at all: written beside, synced, and moved over.
    fn write(&self, records: u64) -> io::Result<()> {
        let next = beside(&self.path, ".next");
        let mut file: File = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&next)?;
        let epoch = &self.known.epoch;
        file.write_all(format!("{TITLE}\nepoch {epoch}\nrecords {records}\n").as_bytes())?;
        file.sync_data()?;
        fs::rename(&next, &self.path)
    }
}

fn parse(text: &str) -> Option<Known> {
    let mut lines = text.lines();
    if lines.next()? != TITLE {
        return None;
    }
    Some(Known {
        epoch: lines.next()?.strip_prefix("epoch ")?.to_owned(),
        records: lines.next()?.strip_prefix("records ")?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_goes_back_within_an_epoch() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("t.db");
        let mut mark = Mark::of(&store).in_epoch(&[1]);
        assert_eq!(mark.known().records, 0);
        mark.raise(7);
        mark.raise(5);
        let expected = Known {
            epoch: "01".into(),
            records: 7,
        };
        assert_eq!(*Mark::of(&store).known(), expected);
        Mark::of(&store).in_epoch(&[1]).raise(6);
        assert_eq!(Mark::of(&store).known().records, 7);
        Mark::of(&store).in_epoch(&[2]).raise(6);
        assert_eq!(Mark::of(&store).known().records, 6);
    }

    #[test]
    fn what_is_no_mark_says_nothing() {
        for text in [
            "",
            "records 7",
            "taskpass store mark 1\nepoch 0\nrecords -1",
            "\u{0}",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
