//! SQLite's errors in our words.

use rusqlite::{Error, ErrorCode, ffi};

use crate::ports::random::RandomFailed;
use crate::ports::store::{StoreError, StoreErrorKind};

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        Self {
            kind: kind(&error),
            message: error.to_string(),
        }
    }
}

impl From<RandomFailed> for StoreError {
    fn from(error: RandomFailed) -> Self {
        Self {
            kind: StoreErrorKind::Other,
            message: error.to_string(),
        }
    }
}

/// Whether the file has not even the header of a database.
pub(super) fn is_no_database(error: &StoreError) -> bool {
    error.kind == StoreErrorKind::Corrupt && error.message.contains("not a database")
}

/// A value that was read and makes no sense.
pub(super) fn corrupt(what: &str) -> StoreError {
    StoreError {
        kind: StoreErrorKind::Corrupt,
        message: format!("{what} makes no sense"),
    }
}

/// A value that cannot be written; the store is sound.
pub(super) fn unwritable(what: &str) -> StoreError {
    StoreError {
        kind: StoreErrorKind::Other,
        message: format!("{what} cannot be written"),
    }
}

/// The writer is gone.
pub(super) fn stopped() -> StoreError {
    StoreError {
        kind: StoreErrorKind::Stopped,
        message: "the store's writer has stopped".to_owned(),
    }
}

fn kind(error: &Error) -> StoreErrorKind {
    match error {
        Error::SqliteFailure(failure, _) => match failure.code {
            ErrorCode::DiskFull => StoreErrorKind::Full,
            ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen => {
                StoreErrorKind::ReadOnly
            }
            // The index of the log lies in a file of its own, which could not grow.
            ErrorCode::SystemIoFailure if failure.extended_code == ffi::SQLITE_IOERR_SHMSIZE => {
                StoreErrorKind::Full
            }
            ErrorCode::SystemIoFailure => StoreErrorKind::Io,
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StoreErrorKind::Corrupt,
            _ => StoreErrorKind::Other,
        },
        Error::FromSqlConversionFailure(..)
        | Error::InvalidColumnType(..)
        | Error::IntegralValueOutOfRange(..) => StoreErrorKind::Corrupt,
        _ => StoreErrorKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_apart_what_an_operator_can_mend() {
        let table = [
            (ffi::SQLITE_FULL, StoreErrorKind::Full),
            (ffi::SQLITE_IOERR_SHMSIZE, StoreErrorKind::Full),
            (ffi::SQLITE_IOERR_FSYNC, StoreErrorKind::Io),
            (ffi::SQLITE_IOERR, StoreErrorKind::Io),
            (ffi::SQLITE_READONLY, StoreErrorKind::ReadOnly),
            (ffi::SQLITE_READONLY_DIRECTORY, StoreErrorKind::ReadOnly),
            (ffi::SQLITE_CANTOPEN, StoreErrorKind::ReadOnly),
            (ffi::SQLITE_CORRUPT, StoreErrorKind::Corrupt),
            (ffi::SQLITE_NOTADB, StoreErrorKind::Corrupt),
            (ffi::SQLITE_BUSY, StoreErrorKind::Other),
        ];
        for (code, expected) in table {
            let error = Error::SqliteFailure(ffi::Error::new(code), None);
            assert_eq!(StoreError::from(error).kind, expected, "{code}");
        }
    }
}
