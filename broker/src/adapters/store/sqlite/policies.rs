//! Policy snapshots by their hash.

use async_trait::async_trait;
use rusqlite::{Connection, params};

use super::SqliteStore;
use super::columns::{all, integer, millis, one, run, time};
use super::transaction::Transaction;
use crate::crash_points::{self, Point};
use crate::domain::audit::Record;
use crate::ports::store::StoreError;
use crate::ports::store::policies::{KeptPolicy, PolicyStore};

#[async_trait]
impl PolicyStore for SqliteStore {
    async fn keep_policy(&self, policy: KeptPolicy, record: Record) -> Result<(), StoreError> {
        let work = move |transaction: &mut Transaction<'_>| {
            keep(transaction.connection, &policy)?;
            transaction.append(std::slice::from_ref(&record))
        };
        self.writer.write(work).await
    }

    fn policy(&self, hash: &str) -> Result<Option<KeptPolicy>, StoreError> {
        let sql = "SELECT since, installation_name, installation FROM policy WHERE hash = ?1";
        self.readers.read(|c| {
            one(c, sql, [hash], |row| {
                Ok(KeptPolicy {
                    hash: hash.to_owned(),
                    files: files(c, hash)?,
                    installation: row.get::<_, Option<_>>(1)?.zip(row.get(2)?),
                    since: time(row, 0)?,
                })
            })
        })
    }
}

fn keep(connection: &Connection, policy: &KeptPolicy) -> Result<(), StoreError> {
    let sql = "INSERT OR IGNORE INTO policy (hash, since, installation_name, installation) VALUES (?1, ?2, ?3, ?4)";
    let installation = policy.installation.as_ref();
    let (name, content) = installation.map(|(name, content)| (name, content)).unzip();
    let row = params![policy.hash, millis(policy.since), name, content];
    let is_new = run(connection, sql, row)? > 0;
    if is_new {
        crash_points::reach(Point::PolicyHalf);
        let sql = "INSERT INTO policy_file (hash, place, name, content) VALUES (?1, ?2, ?3, ?4)";
        for (place, (name, content)) in policy.files.iter().enumerate() {
            run(
                connection,
                sql,
                params![policy.hash, integer(place), name, content],
            )?;
        }
    }
    Ok(())
}

fn files(connection: &Connection, hash: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
    let sql = "SELECT name, content FROM policy_file WHERE hash = ?1 ORDER BY place";
    all(connection, sql, [hash], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })
}
