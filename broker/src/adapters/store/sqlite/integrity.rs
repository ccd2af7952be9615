//! Looks whether a database is sound in itself.

use rusqlite::Connection;

use crate::ports::store::StoreError;

/// Findings that are told; one would do to know that it is damaged.
const FINDINGS: usize = 5;

/// What SQLite finds wrong in the whole file, tables against indexes included. Empty when it is sound.
///
/// It reads every page.
pub(super) fn findings(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut statement = connection.prepare(&format!("PRAGMA integrity_check({FINDINGS})"))?;
    let found = statement.query_map([], |row| row.get::<_, String>(0))?;
    let found: Result<Vec<String>, _> = found.collect();
    match found {
        Ok(found) => Ok(found.into_iter().filter(|said| said != "ok").collect()),
        Err(error) => {
            let error = StoreError::from(error);
            match error.kind {
                // Too damaged to be looked through.
                crate::ports::store::StoreErrorKind::Corrupt => Ok(vec![error.message]),
                _ => Err(error),
            }
        }
    }
}
