//! Copies the write-ahead log back into the database file, on a thread of its own, so that no commit waits.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;

use super::connection;
use super::errors::stopped;
use crate::ports::store::StoreError;

/// Pages of 4 KiB that are in the log alone when copying begins.
const BEGIN_AT: u32 = 1_000;
/// Pages in the log when the writer itself copies the rest.
///
/// The log begins again only when every page of it is copied. Under steady writing the thread never quite
/// gets there; the writer does, and little is left to do for it.
const FINISH_AT: u32 = 8_000;

/// The handle to the thread.
pub(super) struct Checkpointer {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// How long the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Log {
    pages: u32,
    copied: u32,
}

impl Checkpointer {
    /// Starts the thread with a connection of its own.
    pub(super) fn start(path: &Path) -> Result<Self, StoreError> {
        let connection = connection::writing(path)?;
        // One place: a wish while it copies is remembered, and more are the same wish.
        let (wake, wishes) = sync_channel(1);
        let thread = thread::Builder::new()
            .name("store-copier".to_owned())
            .spawn(move || copy_on_request(&connection, &wishes))
            .map_err(|_| stopped())?;
        Ok(Self {
            wake: Some(wake),
            thread: Some(thread),
        })
    }

    /// Looks how long the log has become; the writer calls this after each commit.
    pub(super) fn watch(&self, writer: &Connection) {
        let Ok(log) = Log::look(writer) else { return };
        if log.pages >= FINISH_AT {
            // The thread may be copying at this moment; then this does nothing, and is tried again.
            let _ = Log::copy(writer);
        } else if log.pages.saturating_sub(log.copied) >= BEGIN_AT
            && let Some(wake) = &self.wake
        {
            let _ = wake.try_send(());
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        drop(self.wake.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Log {
    fn look(connection: &Connection) -> rusqlite::Result<Self> {
        Self::ask(connection, "PRAGMA wal_checkpoint(NOOP)")
    }

    /// Copies as much as it can without holding anybody up.
    fn copy(connection: &Connection) -> rusqlite::Result<Self> {
        Self::ask(connection, "PRAGMA wal_checkpoint(PASSIVE)")
    }

    fn ask(connection: &Connection, sql: &str) -> rusqlite::Result<Self> {
        connection.prepare_cached(sql)?.query_row([], |row| {
            // -1 stands for a log that does not exist.
            let pages = |column| row.get(column).map(|n: i64| u32::try_from(n).unwrap_or(0));
            Ok(Self {
                pages: pages(1)?,
                copied: pages(2)?,
            })
        })
    }
}

fn copy_on_request(connection: &Connection, wishes: &Receiver<()>) {
    let mut failed = false;
    while wishes.recv().is_ok() {
        match Log::copy(connection) {
            Ok(_) if failed => {
                tracing::info!("the store's log is copied back into its file again");
                failed = false;
            }
            Err(error) if !failed => {
                tracing::warn!(%error, "the store's log cannot be copied back into its file, and grows");
                failed = true;
            }
            Ok(_) | Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database in a file, whose log holds this many pages.
    fn with_log(folder: &Path, pages: u32) -> (std::path::PathBuf, Connection) {
        let path = folder.join("t.db");
        drop(Connection::open(&path).unwrap());
        let writer = connection::writing(&path).unwrap();
        writer
            .execute("CREATE TABLE filler (bytes BLOB)", [])
            .unwrap();
        let sql = "INSERT INTO filler VALUES (zeroblob(?1))";
        writer.execute(sql, [pages * 4096]).unwrap();
        let log = Log::look(&writer).unwrap();
        assert!(log.pages >= pages && log.copied == 0, "{log:?}");
        (path, writer)
    }

    #[test]
    fn leaves_a_short_log_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (path, writer) = with_log(folder.path(), BEGIN_AT / 2);
        let checkpointer = Checkpointer::start(&path).unwrap();
        checkpointer.watch(&writer);
        drop(checkpointer);
        assert_eq!(Log::look(&writer).unwrap().copied, 0);
    }

    #[test]
    fn copies_a_long_log_and_the_next_commit_begins_it_again() {
        let folder = tempfile::tempdir().unwrap();
        let (path, writer) = with_log(folder.path(), BEGIN_AT);
        let checkpointer = Checkpointer::start(&path).unwrap();
        checkpointer.watch(&writer);
        // It does what was wished for before it ends.
        drop(checkpointer);
        let log = Log::look(&writer).unwrap();
        assert_eq!(log.copied, log.pages);
        writer.execute("DELETE FROM filler", []).unwrap();
        assert!(Log::look(&writer).unwrap().pages < BEGIN_AT);
    }

    #[test]
    fn has_the_writer_copy_the_rest_of_a_log_that_became_too_long() {
        let folder = tempfile::tempdir().unwrap();
        let (path, writer) = with_log(folder.path(), FINISH_AT);
        let checkpointer = Checkpointer::start(&path).unwrap();
        checkpointer.watch(&writer);
        let log = Log::look(&writer).unwrap();
        assert_eq!(log.copied, log.pages, "before it returned");
    }
}
