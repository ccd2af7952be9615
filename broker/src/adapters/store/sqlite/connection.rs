//! Connections to the database file.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::ports::store::{StoreError, StoreErrorKind};

/// Statements that are kept prepared, on each connection: more than there are.
const PREPARED: usize = 64;
/// How long to wait for somebody else, such as an operator with the `sqlite3` program.
const PATIENCE: Duration = Duration::from_secs(5);
/// KiB of pages that the writer keeps: the right edges of all trees and much of what is open. What does not
/// fit is found in the page cache of the system.
const WRITER_CACHE: i64 = 8 * 1024;

/// A connection that may write, to a file that is known to be a store.
pub(super) fn writing(path: &Path) -> Result<Connection, StoreError> {
    let connection = plain(path)?;
    prepare_to_write(&connection)?;
    Ok(connection)
}

/// A connection that changes nothing of the file by itself.
pub(super) fn plain(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    connect(path, flags)
}

/// Makes a connection one that writes as a store is written.
pub(super) fn prepare_to_write(connection: &Connection) -> Result<(), StoreError> {
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        return Err(StoreError {
            kind: StoreErrorKind::Other,
            message: "the file system cannot hold a write-ahead log; use a local one".to_owned(),
        });
    }
    // INVARIANT: a commit is synced before it returns; with less, a power cut takes back leases whose
    // tokens somebody holds.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // The checkpointer does it, where no commit waits.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE)?;
    Ok(())
}

/// A connection that only reads, of a file that a [`writing`] one has open.
///
/// Its pages are not mapped into memory: a disk that fails would then kill the broker instead of failing
/// a read.
pub(super) fn reading(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    connect(path, flags)
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(PREPARED);
    Ok(connection)
}
