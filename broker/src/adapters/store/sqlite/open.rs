//! Opens a store, or initialises it, and refuses what it must not touch.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::connection;
use super::errors;
use super::files;
use super::installation::{self, InstallationFacts, NotEstablished};
use super::integrity;
use super::log_file::{self, Damage};
use super::mark::Mark;
use super::restoration;
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
    /// It was there, with records, and is gone or empty.
    #[error(
        "the store `{}` is empty or gone, and `{}` says that its audit log had {records} records; restore a \
         backup with `taskpass store restore`, or remove the latter to begin anew with new keys",
        path.display(),
        mark.display()
    )]
    Emptied {
        /// The file.
        path: PathBuf,
        /// Its mark.
        mark: PathBuf,
        /// What the mark says.
        records: u64,
    },
    /// It is damaged.
    #[error(
        "the store `{}` is damaged ({finding}); restore the newest backup with `taskpass store restore`",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found first.
        finding: String,
    },
    /// Its write-ahead log is damaged, and commits that were answered are behind the damage.
    #[error(
        "the store's log `{}` is damaged at frame {frame}, and {commits} commits behind it would be lost; \
         restore the newest backup with `taskpass store restore`, or move the log aside: the broker then \
         ends every job, as after a backup",
        path.display()
    )]
    LogDamaged {
        /// The log.
        path: PathBuf,
        /// The first frame that does not add up; 0 is the log's header.
        frame: u64,
        /// Commits behind it, at least.
        commits: u64,
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
    /// What is known of it outside.
    pub(super) mark: Mark,
    /// Whether every page was looked at.
    pub(super) was_checked: bool,
    /// Keeps other brokers out for as long as it is there.
    pub(super) lock: File,
}

/// Bytes of a store that is looked through before each start: a few tenths of a second.
const SMALL: u64 = 32 << 20;

/// Opens the one connection that writes, with everything checked.
///
/// A small store is looked through page by page, and so is one that is not what was here before. A large one
/// is looked through later, while it serves.
pub(super) fn open(
    path: &Path,
    facts: &InstallationFacts,
    random: &dyn Random,
) -> Result<Opened, OpenError> {
    let lock = files::lock(path)?;
    let mark = Mark::of(path);
    refuse_emptied(path, &mark)?;
    put_foreign_log_aside(path)?;
    refuse_damaged_log(path)?;
    files::make(path)?;
    let mut connection = connection::plain(path).map_err(|source| broken(path, source))?;
    schema::examine(&connection).map_err(|failed| not_migrated(path, failed))?;
    refuse_cut_off(path)?;
    let mut was_checked = std::fs::metadata(path).is_ok_and(|file| file.len() <= SMALL);
    if was_checked {
        refuse_damaged(path, &connection)?;
    }
    connection::prepare_to_write(&connection).map_err(|source| broken(path, source))?;
    schema::migrate(&mut connection).map_err(|failed| not_migrated(path, failed))?;
    let epoch = installation::establish(&mut connection, facts, random)
        .map_err(|failed| not_established(path, failed))?;
    let restored = restoration::notice(&mut connection, mark.known());
    if restored.map_err(|source| broken(path, source))?.is_some() && !was_checked {
        refuse_damaged(path, &connection)?;
        was_checked = true;
    }
    Ok(Opened {
        connection,
        mark: mark.in_epoch(&epoch),
        epoch,
        was_checked,
        lock,
    })
}

fn refuse_emptied(path: &Path, mark: &Mark) -> Result<(), OpenError> {
    let records = mark.known().records;
    if records == 0 || files::is_begun(path) {
        return Ok(());
    }
    Err(OpenError::Emptied {
        path: path.to_owned(),
        mark: mark.path().to_owned(),
        records,
    })
}

/// A backup is one file without a log. A log beside it is what is left of the store that was here before;
/// SQLite would mix the two.
fn put_foreign_log_aside(path: &Path) -> Result<(), OpenError> {
    let log = files::beside(path, "-wal");
    if !files::is_begun(&log) || !files::is_without_log(path) {
        return Ok(());
    }
    let aside = files::beside(&log, ".of-another-store");
    std::fs::rename(&log, &aside).map_err(|source| files::cannot(&log, source))?;
    tracing::warn!(
        file = %log.display(), moved.to = %aside.display(),
        "the log beside the store is not the store's own, and was moved aside"
    );
    Ok(())
}

fn refuse_damaged_log(path: &Path) -> Result<(), OpenError> {
    let path = files::beside(path, "-wal");
    let examined = log_file::examine(&path);
    match examined.map_err(|source| files::cannot(&path, source))? {
        None => Ok(()),
        Some(Damage { frame, commits }) => Err(OpenError::LogDamaged {
            path,
            frame,
            commits,
        }),
    }
}

/// SQLite takes what is missing of a last page for zeros. Without a log that would write the page anew, it is lost.
fn refuse_cut_off(path: &Path) -> Result<(), OpenError> {
    if files::is_begun(&files::beside(path, "-wal")) || !files::ends_within_a_page(path) {
        return Ok(());
    }
    Err(OpenError::Damaged {
        path: path.to_owned(),
        finding: "it ends within a page".to_owned(),
    })
}

fn refuse_damaged(path: &Path, connection: &Connection) -> Result<(), OpenError> {
    let findings = integrity::findings(connection).map_err(|source| broken(path, source))?;
    match findings.into_iter().next() {
        None => Ok(()),
        Some(finding) => Err(OpenError::Damaged {
            path: path.to_owned(),
            finding,
        }),
    }
}

/// The error of a store that failed while it was opened.
pub(super) fn broken(path: &Path, source: StoreError) -> OpenError {
    let path = path.to_owned();
    match source.kind {
        StoreErrorKind::Corrupt => OpenError::Damaged {
            path,
            finding: source.message,
        },
        StoreErrorKind::Full
        | StoreErrorKind::ReadOnly
        | StoreErrorKind::Io
        | StoreErrorKind::Stopped
        | StoreErrorKind::Other => OpenError::Store { path, source },
    }
}

pub(super) fn not_migrated(path: &Path, failed: MigrationFailed) -> OpenError {
    match failed {
        MigrationFailed::Store(source) if errors::is_no_database(&source) => OpenError::NotAStore {
            path: path.to_owned(),
        },
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
