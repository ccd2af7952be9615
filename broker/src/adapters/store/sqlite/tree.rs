//! The Merkle tree over the audit log: its head, and the entries that it is over.

use async_trait::async_trait;
use rusqlite::{Connection, Row, params};

use super::SqliteStore;
use super::columns::{all, integer, number, one, optional_text, run, text};
use super::errors::corrupt;
use super::transaction::Transaction;
use crate::domain::audit::{Event, Record};
use crate::ports::store::StoreError;
use crate::ports::store::tree::{Entry, EntryStore, SaltedDetails, TreeHead, TreeStep, TreeStore};

const SAVE: &str =
    "INSERT INTO audit_tree (place, epoch, origin, checkpoint) VALUES (0, ?1, ?2, ?3)
    ON CONFLICT (place) DO UPDATE SET epoch = ?1, origin = ?2, checkpoint = ?3";

#[async_trait]
impl TreeStore for SqliteStore {
    fn tree(&self) -> Result<Option<TreeHead>, StoreError> {
        self.readers.read(head)
    }

    async fn save_tree(&self, step: TreeStep) -> Result<bool, StoreError> {
        let work = move |t: &mut Transaction<'_>| {
            if head(t.connection)? != step.expected {
                return Ok(false);
            }
            let next = &step.next;
            let values = params![next.epoch, next.origin, next.checkpoint];
            run(t.connection, SAVE, values)?;
            t.append(&step.records)?;
            Ok(true)
        };
        self.writer.write(work).await
    }

    async fn fill_gaps(&self, limit: u64, record: Record) -> Result<u64, StoreError> {
        let work = move |t: &mut Transaction<'_>| {
            let Some((first, after)) = first_gap(t.connection)? else {
                return Ok(0);
            };
            let until = after.min(first + limit);
            (first..until).try_for_each(|number| t.append_as(number, &record))?;
            Ok(until - first)
        };
        self.writer.write(work).await
    }
}

#[async_trait]
impl EntryStore for SqliteStore {
    fn entries(&self, after: u64, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let sql = "SELECT number, leaf, salt, details FROM audit WHERE number > ?1
                   ORDER BY number LIMIT ?2";
        let values = [integer(after), integer(limit)];
        self.readers.read(|c| all(c, sql, values, entry))
    }

    fn last_entry(&self) -> Result<u64, StoreError> {
        let sql = "SELECT coalesce(max(number), 0) FROM audit";
        let last = self
            .readers
            .read(|c| one(c, sql, [], |row| number(row, 0)))?;
        Ok(last.unwrap_or(0))
    }

    async fn erase(&self, numbers: Vec<u64>, record: Record) -> Result<u64, StoreError> {
        let work = move |t: &mut Transaction<'_>| {
            // Freed bytes are overwritten: what was erased is not to be found in the file either.
            t.connection.pragma_update(None, "secure_delete", true)?;
            let erased = erase(t.connection, &numbers);
            t.connection.pragma_update(None, "secure_delete", false)?;
            let erased = erased?;
            if erased > 0 {
                t.append(std::slice::from_ref(&record))?;
            }
            Ok(erased)
        };
        self.writer.write(work).await
    }
}

fn head(connection: &Connection) -> Result<Option<TreeHead>, StoreError> {
    let sql = "SELECT epoch, origin, checkpoint FROM audit_tree";
    one(connection, sql, [], |row| {
        Ok(TreeHead {
            epoch: row.get(0)?,
            origin: row.get(1)?,
            checkpoint: row.get(2)?,
        })
    })
}

/// The first number that is missing, and the next one that is not.
fn first_gap(connection: &Connection) -> Result<Option<(u64, u64)>, StoreError> {
    let sql = "SELECT coalesce(before.number, 0) + 1, after.number FROM audit AS after
               LEFT JOIN audit AS before ON before.number = (
                   SELECT max(number) FROM audit WHERE number < after.number)
               WHERE NOT EXISTS (SELECT 1 FROM audit WHERE number = after.number - 1)
                 AND after.number > 1
               ORDER BY after.number LIMIT 1";
    one(connection, sql, [], |row| {
        Ok((number(row, 0)?, number(row, 1)?))
    })
}

fn erase(connection: &Connection, numbers: &[u64]) -> Result<u64, StoreError> {
    // INVARIANT: who erased what, and why, is never erased: nobody covers up the traces of an erasure.
    let sql = "UPDATE audit SET salt = NULL, details = NULL
               WHERE number = ?1 AND (salt IS NOT NULL OR details IS NOT NULL)
                 AND leaf ->> '$.event' <> ?2";
    let mut erased = 0;
    for number in numbers {
        let values = params![integer(*number), Event::DetailsErased.as_str()];
        erased += run(connection, sql, values)? as u64;
    }
    Ok(erased)
}

fn entry(row: &Row<'_>) -> Result<Entry, StoreError> {
    let salt: Option<Vec<u8>> = row.get(2)?;
    let details = match (salt, optional_text(row, 3)?) {
        (Some(salt), Some(details)) => Some(SaltedDetails {
            salt,
            details: details.to_owned(),
        }),
        (None, None) => None,
        _ => return Err(corrupt("an audit record with details or salt alone")),
    };
    Ok(Entry {
        number: number(row, 0)?,
        leaf: text(row, 1)?.to_owned(),
        details,
    })
}
