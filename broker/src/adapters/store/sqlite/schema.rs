//! The tables, and how a file comes to have them.
//!
//! Keys grow with time, so that rows are added at the right edge of their trees, and there are few
//! indexes: each costs as much as a table with every write.

use rusqlite::{Connection, TransactionBehavior};

use crate::crash_points::{self, Point};
use crate::ports::store::StoreError;

/// Marks a database file as ours: `tkps`.
const APPLICATION_ID: i64 = 0x746b_7073;

/// One step for each version of the schema, in order; never changed once released.
const MIGRATIONS: [&str; 5] = [
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
    include_str!("schema/4.sql"),
    include_str!("schema/5.sql"),
];

/// Why a file cannot be brought to today's schema.
#[derive(Debug)]
pub(super) enum MigrationFailed {
    /// It is the database of another program.
    Foreign,
    /// A newer version of this program wrote it.
    Newer {
        /// Its version.
        found: i64,
        /// The newest that we know.
        known: i64,
    },
    /// The store failed.
    Store(StoreError),
}

/// Looks whether a file is ours to change: a new one, or one with a schema that we know.
pub(super) fn examine(connection: &Connection) -> Result<(), MigrationFailed> {
    let application = pragma(connection, "application_id")?;
    let found = pragma(connection, "user_version")?;
    let is_new = application == 0 && found == 0 && is_empty(connection)?;
    let known = newest();
    if application != APPLICATION_ID && !is_new {
        Err(MigrationFailed::Foreign)
    } else if found > known {
        Err(MigrationFailed::Newer { found, known })
    } else {
        Ok(())
    }
}

/// Brings a file to today's schema, each step in a transaction of its own.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), MigrationFailed> {
    let found = pragma(connection, "user_version")?;
    if found > 0 && found < newest() {
        tracing::info!(
            schema.from = found,
            schema.to = newest(),
            "the store is brought to a newer schema; going back to the older program takes a backup from before"
        );
    }
    for (version, step) in steps().filter(|(version, _)| *version > found) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Exclusive)?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", version)?;
        crash_points::reach(Point::MigrationHalf);
        transaction.commit()?;
    }
    Ok(())
}

/// The version that a file has.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    pragma(connection, "user_version")
}

fn newest() -> i64 {
    steps().map(|(version, _)| version).max().unwrap_or(0)
}

/// The steps with the versions that they lead to.
fn steps() -> impl Iterator<Item = (i64, &'static str)> {
    (1..).zip(MIGRATIONS)
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)";
    connection.query_row(sql, [], |row| row.get(0))
}

impl From<rusqlite::Error> for MigrationFailed {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}
