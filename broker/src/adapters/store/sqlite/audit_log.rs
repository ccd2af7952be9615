//! Appends to the audit log: dense numbers, given by the one writer in the order of commits.

use rusqlite::{Connection, params};

use super::columns::{integer, number, one, run};
use super::errors::unwritable;
use super::restoration;
use crate::domain::audit::{MAX_LEAF_BYTES, Record};
use crate::ports::random::{self, Random};
use crate::ports::store::StoreError;

const APPEND: &str = "INSERT INTO audit (number, job, decision, leaf, salt, details)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

/// The numbers of records. They have no gaps: those of a failed transaction are given again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbers {
    committed: u64,
    last: u64,
}

impl Numbers {
    /// Goes on where the log ends; after an older copy was noticed, behind the numbers that it has lost.
    pub(super) fn read(connection: &Connection) -> Result<Self, StoreError> {
        let last = last(connection)?.max(restoration::numbers_lost(connection)?);
        Ok(Self {
            committed: last,
            last,
        })
    }

    /// Appends a record with the next number. It is found by its decision unless the record before it in the
    /// same change has the same one.
    pub(super) fn append(
        &mut self,
        connection: &Connection,
        record: &Record,
        decision_before: Option<&str>,
        random: &dyn Random,
    ) -> Result<(), StoreError> {
        self.last += 1;
        insert(connection, self.last, (record, decision_before), random)
    }

    /// The last number that was committed.
    pub(super) fn committed(&self) -> u64 {
        self.committed
    }

    /// The transaction was committed.
    pub(super) fn commit(&mut self) {
        self.committed = self.last;
    }

    /// The transaction came to nothing.
    pub(super) fn roll_back(&mut self) {
        self.last = self.committed;
    }
}

/// Writes a record under a number. It is found by its decision unless the record before it has the same one.
pub(super) fn insert(
    connection: &Connection,
    number: u64,
    (record, decision_before): (&Record, Option<&str>),
    random: &dyn Random,
) -> Result<(), StoreError> {
    let salt: [u8; 32] = random::array(random)?;
    let details = record.details.to_string();
    let leaf = record.leaf(&salt, details.as_bytes());
    let leaf = serde_json::to_string(&leaf).map_err(|_| unwritable("an audit record"))?;
    if leaf.len() > MAX_LEAF_BYTES {
        return Err(unwritable("an audit record longer than a log takes"));
    }
    let decision = record.decision.as_deref();
    let values = params![
        integer(number),
        record.job.as_ref().map(|job| job.as_bytes().as_slice()),
        decision.filter(|decision| decision_before != Some(*decision)),
        leaf,
        salt.as_slice(),
        details,
    ];
    run(connection, APPEND, values).map(drop)
}

/// The number of the last record; 0 when there is none.
pub(super) fn last(connection: &Connection) -> Result<u64, StoreError> {
    let sql = "SELECT coalesce(max(number), 0) FROM audit";
    Ok(one(connection, sql, [], |row| number(row, 0))?.unwrap_or(0))
}
