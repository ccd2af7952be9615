//! Copies the write-ahead log back into the database file, on a thread of its own, so that no commit waits.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::Connection;

use super::connection;
use super::errors::stopped;
use super::mark::Mark;
use crate::crash_points::{self, Point};
use crate::ports::store::{StoreError, StoreErrorKind};

/// How far the mark may lie behind the store.
const MARK_EVERY: Duration = Duration::from_secs(1);
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
    /// Starts the thread with a connection of its own. It raises the mark, too, to what is `recorded`.
    pub(super) fn start(
        path: &Path,
        mark: Mark,
        recorded: Arc<AtomicU64>,
    ) -> Result<Self, StoreError> {
        let connection = connection::writing(path)?;
        // One place: a wish while it copies is remembered, and more are the same wish.
        let (wake, wishes) = sync_channel(1);
        let thread = thread::Builder::new()
            .name("store-copier".to_owned())
            .spawn(move || {
                let mut mark = Following { mark, recorded };
                copy_on_request(&connection, &wishes, &mut mark);
            })
            .map_err(|_| stopped())?;
        Ok(Self {
            wake: Some(wake),
            thread: Some(thread),
        })
    }

    /// Looks how long the log has become; the writer calls this after each commit.
    pub(super) fn watch(&self, writer: &Connection) {
        let Ok(log) = Log::look(writer) else { return };
        metrics::gauge!("taskpass_store_log_pages").set(f64::from(log.pages));
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

    /// Copies everything, and has the log begin again with nothing in it.
    fn empty(connection: &Connection) -> rusqlite::Result<bool> {
        let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
        let busy: i64 = connection.query_row(sql, [], |row| row.get(0))?;
        Ok(busy == 0)
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

/// Copies everything that is committed out of a log that can no longer be trusted, and begins it anew.
///
/// After a failed sync nobody knows which of the log's pages are on the disk, and a later sync that succeeds
/// says nothing of them. What was committed before lies in pages that were synced; it is written anew into
/// the database file, synced there, and the log is cut to nothing, leftovers of what failed included.
pub(super) fn leave_log_behind(connection: &Connection) -> Result<(), StoreError> {
    if Log::empty(connection)? {
        Ok(())
    } else {
        Err(StoreError {
            kind: StoreErrorKind::Io,
            message: "a sync failed, and the log cannot be begun anew while it is being read"
                .to_owned(),
        })
    }
}

/// The mark, and what it is raised to.
struct Following {
    mark: Mark,
    recorded: Arc<AtomicU64>,
}

impl Following {
    fn raise(&mut self) {
        self.mark.raise(self.recorded.load(Ordering::Acquire));
    }
}

fn copy_on_request(connection: &Connection, wishes: &Receiver<()>, mark: &mut Following) {
    let mut failed = false;
    loop {
        match wishes.recv_timeout(MARK_EVERY) {
            Ok(()) => failed = copy(connection, failed),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                mark.raise();
                return;
            }
        }
        mark.raise();
    }
}

/// Answers whether it failed.
fn copy(connection: &Connection, failed_before: bool) -> bool {
    crash_points::reach(Point::CheckpointBefore);
    let outcome = Log::copy(connection);
    crash_points::reach(Point::CheckpointAfter);
    match outcome {
        Ok(_) if failed_before => {
            tracing::info!("the store's log is copied back into its file again");
        }
        Err(ref error) if !failed_before => {
            tracing::warn!(%error, "the store's log cannot be copied back into its file, and grows");
        }
        Ok(_) | Err(_) => {}
    }
    outcome.is_err()
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

    fn start(path: &Path) -> Checkpointer {
        let recorded = Arc::new(AtomicU64::new(0));
        Checkpointer::start(path, Mark::of(path), recorded).unwrap()
    }

    #[test]
    fn leaves_a_short_log_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (path, writer) = with_log(folder.path(), BEGIN_AT / 2);
        let checkpointer = start(&path);
        checkpointer.watch(&writer);
        drop(checkpointer);
        assert_eq!(Log::look(&writer).unwrap().copied, 0);
    }

    #[test]
    fn copies_a_long_log_and_the_next_commit_begins_it_again() {
        let folder = tempfile::tempdir().unwrap();
        let (path, writer) = with_log(folder.path(), BEGIN_AT);
        let checkpointer = start(&path);
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
        let checkpointer = start(&path);
        checkpointer.watch(&writer);
        let log = Log::look(&writer).unwrap();
        assert_eq!(log.copied, log.pages, "before it returned");
    }
}
