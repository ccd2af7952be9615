//! Opens a store, or initialises it, and refuses one that is not this installation's.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::schema::MIGRATIONS;
use crate::ports::random::{self, Random, RandomFailed};

/// Statements that are kept prepared, on each connection.
const PREPARED: usize = 64;

/// What an installation is, fixed when its store is initialised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallationFacts {
    /// The issuer's URL.
    pub issuer: String,
    /// The broker's SPIFFE ID.
    pub spiffe_id: String,
    /// The origin of the audit log.
    pub audit_origin: String,
}

/// The store was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be made or opened.
    #[error("cannot open the store `{}`: {source}; is its directory there and writable?", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is there and is no store, or is damaged.
    #[error("`{}` cannot be used as a store: {source}; restore the newest backup, or name another file", path.display())]
    NotAStore {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// Another program version wrote it.
    #[error("`{}` has schema version {found}, and this program knows versions up to {known}; use the newer program", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The file's version.
        found: usize,
        /// The newest that we know.
        known: usize,
    },
    /// It belongs to another installation.
    #[error("`{}` was initialised with the {fact} `{stored}`, and the configuration says `{configured}`; these never change: correct the configuration, or name another file for a new installation", path.display())]
    OtherInstallation {
        /// The file.
        path: PathBuf,
        /// Which fact.
        fact: &'static str,
        /// What the file has.
        stored: String,
        /// What was configured.
        configured: String,
    },
    /// No randomness for the epoch.
    #[error(transparent)]
    Random(#[from] RandomFailed),
}

/// Opens the one connection that writes; answers it and the store's epoch.
pub(super) fn writer(
    path: &Path,
    facts: &InstallationFacts,
    random: &dyn Random,
) -> Result<(Connection, Vec<u8>), OpenError> {
    create_private(path)?;
    let not_a_store = |source| OpenError::NotAStore {
        path: path.to_owned(),
        source,
    };
    let mut connection = Connection::open(path).map_err(not_a_store)?;
    configure(&connection).map_err(not_a_store)?;
    migrate(&mut connection, path)?;
    let epoch = initialise(&mut connection, path, facts, random)?;
    Ok((connection, epoch))
}

/// Opens a connection that only reads.
pub(super) fn reader(path: &Path) -> Result<Connection, OpenError> {
    let open = || {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "query_only", true)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.set_prepared_statement_cache_capacity(PREPARED);
        Ok(connection)
    };
    open().map_err(|source| OpenError::NotAStore {
        path: path.to_owned(),
        source,
    })
}

/// Only the owner may read the store: parameters and reported callers stand in it.
fn create_private(path: &Path) -> Result<(), OpenError> {
    let made = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path);
    made.map(drop).map_err(|source| OpenError::File {
        path: path.to_owned(),
        source,
    })
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // INVARIANT: a commit is synced before it returns; with less, a power cut takes leases back that
    // clients have seen.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // The writer makes checkpoints itself, when nobody waits.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    // 64 MiB: the right edges of the trees and what is open lie in it.
    connection.pragma_update(None, "cache_size", -65_536)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(PREPARED);
    Ok(())
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let not_a_store = |source| OpenError::NotAStore {
        path: path.to_owned(),
        source,
    };
    let found: usize = connection
        .pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))
        .map(|version| usize::try_from(version).unwrap_or(usize::MAX))
        .map_err(not_a_store)?;
    let known = MIGRATIONS.len();
    if found > known {
        return Err(OpenError::Newer {
            path: path.to_owned(),
            found,
            known,
        });
    }
    for (version, step) in (1_i64..).zip(MIGRATIONS).skip(found) {
        let run = |connection: &mut Connection| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Exclusive)?;
            transaction.execute_batch(step)?;
            transaction.pragma_update(None, "user_version", version)?;
            transaction.commit()
        };
        run(connection).map_err(not_a_store)?;
    }
    Ok(())
}

/// Writes the facts into a new store, or compares them with those of an old one.
fn initialise(
    connection: &mut Connection,
    path: &Path,
    facts: &InstallationFacts,
    random: &dyn Random,
) -> Result<Vec<u8>, OpenError> {
    let not_a_store = |source| OpenError::NotAStore {
        path: path.to_owned(),
        source,
    };
    let new_epoch: [u8; 16] = random::array(random)?;
    let named = [
        ("issuer", &facts.issuer),
        ("SPIFFE ID", &facts.spiffe_id),
        ("audit origin", &facts.audit_origin),
    ];
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(not_a_store)?;
    let read = |key: &str| -> rusqlite::Result<Option<Vec<u8>>> {
        let sql = "SELECT value FROM installation WHERE key = ?1";
        transaction
            .query_row(sql, [key], |row| row.get(0))
            .optional()
    };
    let write = |key: &str, value: &[u8]| {
        let sql = "INSERT INTO installation (key, value) VALUES (?1, ?2)";
        transaction.execute(sql, params![key, value]).map(drop)
    };
    let epoch = read("epoch").map_err(not_a_store)?;
    for (fact, configured) in named {
        match read(fact).map_err(not_a_store)? {
            None => write(fact, configured.as_bytes()).map_err(not_a_store)?,
            Some(stored) if stored == configured.as_bytes() => {}
            Some(stored) => {
                return Err(OpenError::OtherInstallation {
                    path: path.to_owned(),
                    fact,
                    stored: String::from_utf8_lossy(&stored).into_owned(),
                    configured: configured.clone(),
                });
            }
        }
    }
    let epoch = match epoch {
        Some(epoch) => epoch,
        None => {
            write("epoch", &new_epoch).map_err(not_a_store)?;
            new_epoch.to_vec()
        }
    };
    transaction.commit().map_err(not_a_store)?;
    // The directory's entry must survive a power cut as the content does.
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    if let Some(Ok(directory)) = directory.map(fs::File::open) {
        let _ = directory.sync_all();
    }
    Ok(epoch)
}
