//! The embedded store: SQLite with a write-ahead log, every commit synced. For one broker.
//!
//! - [`open`]: opens or initialises a store; with [`files`], [`schema`], [`installation`]
//! - [`writer`]: the one thread that writes, which commits in groups; what it does stands in
//!   [`transaction`], with [`live_jobs`] and [`audit_log`]
//! - [`checkpointer`]: keeps the write-ahead log short
//! - [`integrity`], [`whole_check`], [`log_file`], [`mark`]: notice what is damaged, lost or old
//! - [`backup`], [`restore`], [`restoration`], [`check`]: copies, and what becomes of them
//! - [`readers`]: the connections that only read
//! - [`jobs`], [`audit`], [`bans`], [`sessions`], [`keys`], [`policies`],
//!   [`revocations`], [`tree`]: the ports
//! - [`change`], [`job_rows`], [`lease_rows`], [`listing`]: jobs and leases in the tables

mod audit;
mod audit_log;
mod backup;
mod bans;
mod change;
mod check;
mod checkpointer;
mod columns;
mod connection;
mod errors;
mod files;
mod installation;
mod integrity;
mod job_rows;
mod jobs;
mod keys;
mod lease_rows;
mod listing;
mod live_jobs;
mod log_file;
mod mark;
mod open;
mod policies;
mod readers;
mod restoration;
mod restore;
mod revocations;
mod schema;
mod sessions;
#[cfg(test)]
mod tests;
mod transaction;
mod tree;
mod whole_check;
mod writer;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use check::{StoreReport, check};
pub use installation::InstallationFacts;
pub use open::OpenError;
use parking_lot::Mutex;
use readers::Readers;
pub use restore::{Replaced, RestoreError, restore};
pub use whole_check::WholeCheck;
use writer::Writer;

use crate::ports::random::Random;

/// The store in one file.
///
/// Dropping it writes what was handed over, and closes it.
pub struct SqliteStore {
    // The readers close first: whoever closes last copies the log back, and they could not.
    readers: Readers,
    writer: Writer,
    facts: InstallationFacts,
    epoch: Vec<u8>,
    path: PathBuf,
    was_checked: bool,
    backing_up: Mutex<()>,
    _lock: File,
}

impl SqliteStore {
    /// Opens the file, or initialises it with these facts.
    pub fn open(
        path: &Path,
        facts: &InstallationFacts,
        random: Arc<dyn Random>,
    ) -> Result<Self, OpenError> {
        let opened = open::open(path, facts, random.as_ref())?;
        let start = || {
            let writer = Writer::start(path, opened.connection, opened.mark, random)?;
            Ok((writer, Readers::open(path)?))
        };
        let (writer, readers) = start().map_err(|source| open::broken(path, source))?;
        Ok(Self {
            readers,
            writer,
            facts: facts.clone(),
            epoch: opened.epoch,
            path: path.to_owned(),
            was_checked: opened.was_checked,
            backing_up: Mutex::new(()),
            _lock: opened.lock,
        })
    }

    /// What the installation is.
    pub fn facts(&self) -> &InstallationFacts {
        &self.facts
    }

    /// The random epoch as it was when the store was opened.
    pub fn epoch(&self) -> &[u8] {
        &self.epoch
    }

    /// How many transactions were committed since it was opened: fewer than were asked for, when many asked
    /// at once.
    pub fn commits(&self) -> u64 {
        self.writer.commits()
    }
}
