//! Opens a store, or initialises it, and refuses what it must not touch.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::connection;
use super::files;
use super::installation::{self, InstallationFacts, NotEstablished};
use super::schema::{self, MigrationFailed};
use crate::ports::random::Random;
use crate::ports::store::{StoreError, StoreErrorKind};

/// The store was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory is not there.
    #[error(
        "there is no directory `{}` for the store; make it, owned by the broker's user",
        directory.display()
    )]
    NoDirectory {
        /// The directory.
        directory: PathBuf,
    },
    /// A file cannot be made or opened.
    #[error(
        "cannot write `{}`: {source}; the broker's user must be able to write it and its directory",
        path.display()
    )]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another broker has it open.
    #[error(
        "another broker has the store `{}` open; stop it first, for two would spoil it",
        path.display()
    )]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file is no store.
    #[error(
        "`{}` is not a store of Taskpass; name another file, or restore a backup of the store",
        path.display()
    )]
    NotAStore {
        /// The file.
        path: PathBuf,
    },
    /// A newer version of the program wrote it.
    #[error(
        "the store `{}` has schema version {found}, and this program knows versions up to {known}; run \
         the newer program, or restore a backup from before it was updated",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The file's version.
        found: i64,
        /// The newest that we know.
        known: i64,
    },
    /// It belongs to another installation.
    #[error(
        "the store `{}` was initialised with the {fact} `{stored}`, and the configuration says \
         `{configured}`; it never changes: correct the configuration, or name another file for a new \
         installation",
        path.display()
    )]
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
    /// It failed while it was opened.
    #[error("cannot open the store `{}`: {}; {}", path.display(), source.message, source.kind.remedy())]
    Store {
        /// The file.
        path: PathBuf,
        /// Why.
        source: StoreError,
    },
}

/// What is open when all is well.
pub(super) struct Opened {
    /// The connection that writes.
    pub(super) connection: Connection,
    /// The store's epoch.
    pub(super) epoch: Vec<u8>,
    /// Keeps other brokers out for as long as it is there.
    pub(super) lock: File,
}

/// Opens the one connection that writes, with everything checked.
pub(super) fn open(
    path: &Path,
    facts: &InstallationFacts,
    random: &dyn Random,
) -> Result<Opened, OpenError> {
    let lock = files::prepare(path)?;
    let mut connection = connection::plain(path).map_err(|source| broken(path, source))?;
    schema::examine(&connection).map_err(|failed| not_migrated(path, failed))?;
    connection::prepare_to_write(&connection).map_err(|source| broken(path, source))?;
    schema::migrate(&mut connection).map_err(|failed| not_migrated(path, failed))?;
    let epoch = installation::establish(&mut connection, facts, random)
        .map_err(|failed| not_established(path, failed))?;
    Ok(Opened {
        connection,
        epoch,
        lock,
    })
}

/// The error of a store that failed while it was opened.
pub(super) fn broken(path: &Path, source: StoreError) -> OpenError {
    let path = path.to_owned();
    match source.kind {
        StoreErrorKind::Corrupt => OpenError::NotAStore { path },
        StoreErrorKind::Full
        | StoreErrorKind::ReadOnly
        | StoreErrorKind::Io
        | StoreErrorKind::Stopped
        | StoreErrorKind::Other => OpenError::Store { path, source },
    }
}

fn not_migrated(path: &Path, failed: MigrationFailed) -> OpenError {
    match failed {
        MigrationFailed::Store(source) => broken(path, source),
        MigrationFailed::Foreign => OpenError::NotAStore {
            path: path.to_owned(),
        },
        MigrationFailed::Newer { found, known } => OpenError::Newer {
            path: path.to_owned(),
            found,
            known,
        },
    }
}

fn not_established(path: &Path, failed: NotEstablished) -> OpenError {
    match failed {
        NotEstablished::Store(source) => broken(path, source),
        NotEstablished::Other {
            fact,
            stored,
            configured,
        } => OpenError::OtherInstallation {
            path: path.to_owned(),
            fact,
            stored,
            configured,
        },
    }
}
