//! Looks through a large store while it serves.

use rusqlite::{Connection, InterruptHandle};

use super::{SqliteStore, connection, integrity};
use crate::ports::store::{StoreError, StoreErrorKind};

/// A look at every page, that was not done before the start because the store is large.
pub struct WholeCheck {
    connection: Connection,
}

impl SqliteStore {
    /// The look that is still due; none when the store was looked through before it was opened.
    pub fn whole_check(&self) -> Result<Option<WholeCheck>, StoreError> {
        if self.was_checked {
            return Ok(None);
        }
        let connection = connection::reading(&self.path)?;
        Ok(Some(WholeCheck { connection }))
    }
}

impl WholeCheck {
    /// Stops it early.
    pub fn interrupter(&self) -> InterruptHandle {
        self.connection.get_interrupt_handle()
    }

    /// Looks, which takes long; an error of [`StoreErrorKind::Corrupt`] says what is damaged.
    pub fn run(self) -> Result<(), StoreError> {
        match integrity::findings(&self.connection)?.into_iter().next() {
            None => Ok(()),
            Some(finding) => Err(StoreError {
                kind: StoreErrorKind::Corrupt,
                message: finding,
            }),
        }
    }
}
