//! The embedded store: SQLite in WAL mode, every commit synced.
//!
//! - [`open`]: opens or initialises a file, and refuses one that is not this installation's
//! - [`writer`]: the one writer, which commits in groups
//! - [`readers`]: connections that only read
//! - [`change`]: runs the pure changes of jobs inside a transaction
//! - [`rows`]: jobs and leases as rows
//! - [`live_jobs`], [`audit_log`]: what the writer knows besides the tables
//! - [`jobs`], [`records`], [`small_tables`]: the ports

mod audit_log;
mod change;
mod errors;
mod jobs;
mod live_jobs;
mod open;
mod readers;
mod records;
mod rows;
mod schema;
mod small_tables;
#[cfg(test)]
mod tests;
mod writer;

use std::path::Path;
use std::sync::Arc;

use crate::ports::random::Random;

pub use open::{InstallationFacts, OpenError};
use readers::Readers;
use writer::Writer;

/// The store in one file.
pub struct SqliteStore {
    writer: Writer,
    readers: Readers,
    epoch: Vec<u8>,
}

impl SqliteStore {
    /// Opens the file, or initialises it with these facts.
    pub fn open(
        path: &Path,
        facts: &InstallationFacts,
        random: Arc<dyn Random>,
    ) -> Result<Self, OpenError> {
        let (connection, epoch) = open::writer(path, facts, random.as_ref())?;
        let writer = Writer::start(connection, random)?;
        let readers = Readers::open(path)?;
        Ok(Self {
            writer,
            readers,
            epoch,
        })
    }

    /// The random epoch that was drawn when the store was initialised.
    pub fn epoch(&self) -> &[u8] {
        &self.epoch
    }
}
