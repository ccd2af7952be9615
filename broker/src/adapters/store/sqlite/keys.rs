//! Signing keys, sealed.

use async_trait::async_trait;
use rusqlite::{Row, params};

use super::SqliteStore;
use super::columns::{all, millis, run, time};
use super::transaction::Transaction;
use crate::domain::audit::Record;
use crate::ports::store::StoreError;
use crate::ports::store::keys::{KeyStore, Sealed, StoredKey};

const INSERT: &str = "INSERT INTO signing_key
    (kid, algorithm, public_key, published_at, signs_from, kek_id, sealed_algorithm, nonce, ciphertext)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";

const SELECT: &str = "SELECT kid, algorithm, public_key, published_at, signs_from, kek_id,
    sealed_algorithm, nonce, ciphertext FROM signing_key ORDER BY number";

#[async_trait]
impl KeyStore for SqliteStore {
    async fn add_keys(&self, keys: Vec<StoredKey>, records: Vec<Record>) -> Result<(), StoreError> {
        let work = move |transaction: &mut Transaction<'_>| {
            for key in &keys {
                insert(transaction, key)?;
            }
            transaction.append(&records)
        };
        self.writer.write(work).await
    }

    fn keys(&self) -> Result<Vec<StoredKey>, StoreError> {
        self.readers.read(|c| all(c, SELECT, [], key))
    }
}

fn insert(transaction: &Transaction<'_>, key: &StoredKey) -> Result<(), StoreError> {
    let values = params![
        key.kid,
        key.algorithm,
        key.public_key,
        millis(key.published_at),
        millis(key.signs_from),
        key.sealed.kek_id,
        key.sealed.algorithm,
        key.sealed.nonce,
        key.sealed.ciphertext,
    ];
    run(transaction.connection, INSERT, values).map(drop)
}

fn key(row: &Row<'_>) -> Result<StoredKey, StoreError> {
    Ok(StoredKey {
        kid: row.get(0)?,
        algorithm: row.get(1)?,
        public_key: row.get(2)?,
        published_at: time(row, 3)?,
        signs_from: time(row, 4)?,
        sealed: Sealed {
            kek_id: row.get(5)?,
            algorithm: row.get(6)?,
            nonce: row.get(7)?,
            ciphertext: row.get(8)?,
        },
    })
}
