//! Signing keys, sealed.

use async_trait::async_trait;
use rusqlite::{Connection, Row, params};

use super::SqliteStore;
use super::columns::{all, millis, optional_time, run, text, time};
use super::errors::corrupt;
use super::transaction::Transaction;
use crate::crash_points::{self, Point};
use crate::domain::audit::Record;
use crate::domain::key_schedule::KeyTimes;
use crate::ports::store::StoreError;
use crate::ports::store::keys::{KeyStore, SavedKeys, Sealed, StoredKey};

const INSERT: &str = "INSERT INTO signing_key
    (kid, algorithm, public_key, published_at, signs_from, retired_at, kek_id, sealed_algorithm, nonce,
     ciphertext)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";

const UPDATE: &str = "UPDATE signing_key SET algorithm = ?2, public_key = ?3, published_at = ?4,
    signs_from = ?5, retired_at = ?6, kek_id = ?7, sealed_algorithm = ?8, nonce = ?9, ciphertext = ?10
    WHERE kid = ?1";

const DELETE: &str = "DELETE FROM signing_key WHERE kid = ?1";

const SELECT: &str = "SELECT kid, algorithm, public_key, published_at, signs_from, retired_at,
    kek_id, sealed_algorithm, nonce, ciphertext FROM signing_key ORDER BY number";

#[async_trait]
impl KeyStore for SqliteStore {
    async fn save_keys(&self, saved: SavedKeys, records: Vec<Record>) -> Result<(), StoreError> {
        let work = move |transaction: &mut Transaction<'_>| {
            for key in &saved.added {
                write(transaction, INSERT, key)?;
                crash_points::reach(Point::KeysHalf);
            }
            for key in &saved.changed {
                write(transaction, UPDATE, key)?;
            }
            for kid in &saved.forgotten {
                run(transaction.connection, DELETE, [kid])?;
            }
            transaction.append(&records)
        };
        self.writer.write(work).await
    }

    fn keys(&self) -> Result<Vec<StoredKey>, StoreError> {
        self.readers.read(|c| all(c, SELECT, [], key))
    }
}

/// Puts another seal on a private key that is there.
pub(super) fn seal_anew(connection: &Connection, key: &StoredKey) -> Result<(), StoreError> {
    let sql =
        "UPDATE signing_key SET kek_id = ?2, sealed_algorithm = ?3, nonce = ?4, ciphertext = ?5
               WHERE kid = ?1";
    let values = params![
        key.kid,
        key.sealed.kek_id,
        key.sealed.algorithm,
        key.sealed.nonce,
        key.sealed.ciphertext,
    ];
    run(connection, sql, values).map(drop)
}

fn write(transaction: &Transaction<'_>, sql: &str, key: &StoredKey) -> Result<(), StoreError> {
    let values = params![
        key.kid,
        key.algorithm.as_str(),
        key.public_key,
        millis(key.times.published_at),
        millis(key.times.signs_from),
        key.times.retired_at.map(millis),
        key.sealed.kek_id,
        key.sealed.algorithm,
        key.sealed.nonce,
        key.sealed.ciphertext,
    ];
    run(transaction.connection, sql, values).map(drop)
}

fn key(row: &Row<'_>) -> Result<StoredKey, StoreError> {
    Ok(StoredKey {
        kid: row.get(0)?,
        algorithm: text(row, 1)?
            .parse()
            .map_err(|_| corrupt("a signing key's algorithm"))?,
        public_key: row.get(2)?,
        times: KeyTimes {
            published_at: time(row, 3)?,
            signs_from: time(row, 4)?,
            retired_at: optional_time(row, 5)?,
        },
        sealed: Sealed {
            kek_id: row.get(6)?,
            algorithm: row.get(7)?,
            nonce: row.get(8)?,
            ciphertext: row.get(9)?,
        },
    })
}
