//! The embedded store: SQLite with a write-ahead log, every commit synced. For one broker.
//!
//! - [`open`]: opens or initialises a store; with [`files`], [`schema`], [`installation`]
//! - [`writer`]: the one thread that writes, which commits in groups; what it does stands in
//!   [`transaction`], with [`live_jobs`] and [`audit_log`]
//! - [`checkpointer`]: keeps the write-ahead log short
//! - [`readers`]: the connections that only read
//! - [`jobs`], [`audit`], [`bans`], [`sessions`], [`keys`], [`policies`],
//!   [`revocations`], [`tree`]: the ports
//! - [`change`], [`job_rows`], [`lease_rows`], [`listing`]: jobs and leases in the tables

mod audit;
mod audit_log;
mod bans;
mod change;
mod checkpointer;
mod columns;
mod connection;
mod errors;
mod files;
mod installation;
mod job_rows;
mod jobs;
mod keys;
mod lease_rows;
mod listing;
mod live_jobs;
mod open;
mod policies;
mod readers;
mod revocations;
mod schema;
mod sessions;
#[cfg(test)]
mod tests;
mod transaction;
mod tree;
mod writer;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use checkpointer::Checkpointer;
pub use installation::InstallationFacts;
pub use open::OpenError;
use readers::Readers;
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
            let checkpointer = Checkpointer::start(path)?;
            let writer = Writer::start(opened.connection, checkpointer, random)?;
            Ok((writer, Readers::open(path)?))
        };
        let (writer, readers) = start().map_err(|source| open::broken(path, source))?;
        Ok(Self {
            readers,
            writer,
            facts: facts.clone(),
            epoch: opened.epoch,
            _lock: opened.lock,
        })
    }

    /// What the installation is.
    pub fn facts(&self) -> &InstallationFacts {
        &self.facts
    }

    /// The random epoch that was drawn when the store was initialised.
    pub fn epoch(&self) -> &[u8] {
        &self.epoch
    }

    /// How many transactions were committed since it was opened: fewer than were asked for, when many asked
    /// at once.
    pub fn commits(&self) -> u64 {
        self.writer.commits()
    }
}
