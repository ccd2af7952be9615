//! SQLite's errors in our words.

use rusqlite::{Error, ErrorCode};

use crate::ports::store::{StoreError, StoreErrorKind};

/// What an operator is told.
pub(super) fn store_error(error: &Error) -> StoreError {
    let kind = match error {
        Error::SqliteFailure(failure, _) => match failure.code {
            ErrorCode::DiskFull => StoreErrorKind::Full,
            ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen => {
                StoreErrorKind::ReadOnly
            }
            ErrorCode::SystemIoFailure => StoreErrorKind::Io,
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StoreErrorKind::Corrupt,
            _ => StoreErrorKind::Other,
        },
        Error::FromSqlConversionFailure(..) | Error::InvalidColumnType(..) => {
            StoreErrorKind::Corrupt
        }
        _ => StoreErrorKind::Other,
    };
    StoreError {
        kind,
        message: error.to_string(),
    }
}

/// A value that was read and makes no sense.
pub(super) fn corrupt(what: &'static str) -> Error {
    let what = std::io::Error::new(std::io::ErrorKind::InvalidData, what);
    Error::FromSqlConversionFailure(0, rusqlite::types::Type::Null, Box::new(what))
}

/// The writer is gone.
pub(super) fn stopped() -> StoreError {
    let message = "the store's writer has stopped".to_owned();
    StoreError {
        kind: StoreErrorKind::Stopped,
        message,
    }
}
