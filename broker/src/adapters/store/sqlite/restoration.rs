//! Notices that a store is an older one than was here before, and begins its next epoch.

use async_trait::async_trait;
use data_encoding::HEXLOWER;
use rusqlite::{Connection, TransactionBehavior, params};

use super::SqliteStore;
use super::audit_log;
use super::columns::run;
use super::errors::{corrupt, unwritable};
use super::installation::{self, read};
use super::keys;
use super::mark::Known;
use super::transaction::Transaction;
use crate::crash_points::{self, Point};
use crate::domain::audit::Record;
use crate::domain::time::UnixMillis;
use crate::ports::store::StoreError;
use crate::ports::store::epoch::{EpochStore, Restored};
use crate::ports::store::keys::StoredKey;

/// Stands in every backup: when it was taken, in milliseconds since 1970.
const TAKEN_AT: &str = "backup_taken_at";
/// Why the next epoch is to begin; gone when it has.
const RESTORED: &str = "restored";
/// Numbers of records up to here were given before, whether or not the records are here. They may have been
/// published, and are not given again.
const NUMBERS_LOST: &str = "numbers_lost";
/// The epochs that ended, in hexadecimal, one a line.
const ENDED_EPOCHS: &str = "ended_epochs";

#[async_trait]
impl EpochStore for SqliteStore {
    fn restored(&self) -> Result<Option<Restored>, StoreError> {
        self.readers.read(pending)
    }

    async fn begin_epoch(
        &self,
        epoch: [u8; 16],
        keys: Vec<StoredKey>,
        record: Record,
    ) -> Result<(), StoreError> {
        let work = move |transaction: &mut Transaction<'_>| {
            let connection = transaction.connection;
            let ended = ended_epochs(connection)? + &current_epoch(connection)? + "\n";
            installation::put(connection, ENDED_EPOCHS, ended.as_bytes())?;
            installation::put(connection, "epoch", &epoch)?;
            for key in &keys {
                keys::seal_anew(connection, key)?;
            }
            let sql = "DELETE FROM installation WHERE key IN (?1, ?2)";
            run(connection, sql, [TAKEN_AT, RESTORED])?;
            crash_points::reach(Point::EpochHalf);
            transaction.append(std::slice::from_ref(&record))
        };
        self.writer.write(work).await
    }
}

/// Compares a store with its mark, and remembers in the store what it finds, so that nothing that is recorded
/// from now on hides it.
pub(super) fn notice(
    connection: &mut Connection,
    mark: &Known,
) -> Result<Option<Restored>, StoreError> {
    if let Some(known) = pending(connection)? {
        return Ok(Some(known));
    }
    let has = audit_log::last(connection)?;
    let restored = match taken_at(connection)? {
        Some(taken_at) => Restored::Backup { taken_at },
        None if is_older(connection, has, mark)? => Restored::OlderCopy {
            has,
            had: mark.records,
        },
        None => return Ok(None),
    };
    let why = serde_json::to_string(&restored).map_err(|_| unwritable("a restoration"))?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let lost = mark.records.max(numbers_lost(&transaction)?);
    installation::put(&transaction, RESTORED, why.as_bytes())?;
    installation::put(&transaction, NUMBERS_LOST, lost.to_string().as_bytes())?;
    transaction.commit()?;
    Ok(Some(restored))
}

/// Older than its mark is a store with fewer records in the same epoch, or one that does not know the mark's
/// epoch. A store that knows it as ended has begun a newer one.
fn is_older(connection: &Connection, has: u64, mark: &Known) -> Result<bool, StoreError> {
    if mark.records == 0 {
        return Ok(false);
    }
    if mark.epoch == current_epoch(connection)? {
        return Ok(has < mark.records);
    }
    let ended = ended_epochs(connection)?;
    Ok(!ended.lines().any(|epoch| epoch == mark.epoch))
}

fn current_epoch(connection: &Connection) -> Result<String, StoreError> {
    let epoch = read(connection, "epoch")?.unwrap_or_default();
    Ok(HEXLOWER.encode(&epoch))
}

fn ended_epochs(connection: &Connection) -> Result<String, StoreError> {
    let ended = read(connection, ENDED_EPOCHS)?.unwrap_or_default();
    String::from_utf8(ended).map_err(|_| corrupt("the list of ended epochs"))
}

/// Makes a copy of a store known as one. A copy of a copy keeps its first time.
pub(super) fn mark_as_backup(connection: &Connection, at: UnixMillis) -> Result<(), StoreError> {
    let sql = "INSERT OR IGNORE INTO installation (key, value) VALUES (?1, ?2)";
    let at = at.as_millis().to_string();
    run(connection, sql, params![TAKEN_AT, at.as_bytes()]).map(drop)
}

/// When a backup was taken; none in a store that is no backup.
pub(super) fn taken_at(connection: &Connection) -> Result<Option<UnixMillis>, StoreError> {
    let at = read_number(connection, TAKEN_AT)?;
    Ok(at.map(UnixMillis::new))
}

/// Why the next epoch is to begin.
pub(super) fn pending(connection: &Connection) -> Result<Option<Restored>, StoreError> {
    let why = read(connection, RESTORED)?;
    let why = why.map(|json| serde_json::from_slice(&json));
    why.transpose()
        .map_err(|_| corrupt("what is recorded of a restoration"))
}

/// The highest number that is known to have been given when an older copy was noticed; 0 when none was.
pub(super) fn numbers_lost(connection: &Connection) -> Result<u64, StoreError> {
    Ok(read_number(connection, NUMBERS_LOST)?.unwrap_or(0))
}

fn read_number(connection: &Connection, key: &str) -> Result<Option<u64>, StoreError> {
    let Some(value) = read(connection, key)? else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&value).ok();
    let number = text.and_then(|text| text.parse().ok());
    number
        .map(Some)
        .ok_or_else(|| corrupt("a number of the installation"))
}
