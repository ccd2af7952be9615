//! Appends to the audit log: dense numbers, given by the one writer in the order of commits.

use rusqlite::{Connection, params};

use super::errors::corrupt;
use crate::domain::audit::{MAX_LEAF_BYTES, Record};
use crate::ports::random::{self, Random};

/// The number of the last record, committed or in the transaction under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct LastNumber(i64);

impl LastNumber {
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let sql = "SELECT coalesce(max(number), 0) FROM audit";
        connection.query_row(sql, [], |row| row.get(0)).map(Self)
    }

    /// Appends records with the numbers that follow.
    pub(super) fn append(
        &mut self,
        connection: &Connection,
        records: &[Record],
        random: &dyn Random,
    ) -> rusqlite::Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let mut statement = connection.prepare_cached(
            "INSERT INTO audit (number, job, decision, leaf, salt, details)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        for record in records {
            let salt: [u8; 32] =
                random::array(random).map_err(|_| corrupt("no randomness for a salt"))?;
            let details = record.details_bytes();
            let leaf = record.leaf(&salt, &details);
            let leaf = serde_json::to_string(&leaf).map_err(|_| corrupt("a leaf"))?;
            if leaf.len() > MAX_LEAF_BYTES {
                return Err(corrupt("a leaf that is longer than a log takes"));
            }
            self.0 += 1;
            statement.execute(params![
                self.0,
                record.job.as_ref().map(|job| job.as_bytes().as_slice()),
                record.decision,
                leaf,
                salt.as_slice(),
                String::from_utf8_lossy(&details),
            ])?;
        }
        Ok(())
    }
}
