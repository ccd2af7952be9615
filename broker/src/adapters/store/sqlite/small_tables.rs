//! Bans, sessions, signing keys and policies: rows that are few.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, Row, params};
use tokio::sync::oneshot;

use super::SqliteStore;
use super::errors::corrupt;
use super::rows::{self, sql_time};
use super::writer::{Command, InTransaction};
use crate::domain::audit::Record;
use crate::domain::ban::{Ban, BanTarget};
use crate::domain::job::Owner;
use crate::domain::time::UnixMillis;
use crate::ports::store::StoreError;
use crate::ports::store::bans::BanStore;
use crate::ports::store::keys::{KeyStore, Sealed, StoredKey};
use crate::ports::store::policies::{KeptPolicy, PolicyStore};
use crate::ports::store::sessions::{Session, SessionStore};

/// Some statements, with audit records when they changed anything.
struct Write<F> {
    statements: F,
    records: Vec<Record>,
    changed: bool,
    done: oneshot::Sender<Result<bool, StoreError>>,
}

impl<F> Command for Write<F>
where
    F: FnMut(&rusqlite::Connection) -> rusqlite::Result<bool> + Send,
{
    fn apply(&mut self, transaction: &mut InTransaction<'_>) -> rusqlite::Result<()> {
        self.changed = (self.statements)(transaction.connection)?;
        if self.changed {
            transaction.append(&self.records)
        } else {
            Ok(())
        }
    }

    fn finish(self: Box<Self>, outcome: Result<(), StoreError>) {
        let _ = self.done.send(outcome.map(|()| self.changed));
    }
}

impl SqliteStore {
    async fn run<F>(&self, records: Vec<Record>, statements: F) -> Result<bool, StoreError>
    where
        F: FnMut(&rusqlite::Connection) -> rusqlite::Result<bool> + Send + 'static,
    {
        self.writer
            .write(|done| Write {
                statements,
                records,
                changed: false,
                done,
            })
            .await
    }
}

#[async_trait]
impl BanStore for SqliteStore {
    async fn ban(&self, ban: Ban, record: Record) -> Result<(), StoreError> {
        let statements = move |connection: &rusqlite::Connection| {
            let (workload, holder) = columns(&ban.target);
            let sql = "INSERT OR REPLACE INTO ban (workload, holder, since, until, note, by)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            let until = ban.until.map(sql_time);
            let values = params![
                workload,
                holder,
                sql_time(ban.since),
                until,
                ban.note,
                ban.by
            ];
            connection.execute(sql, values).map(|_| true)
        };
        self.run(vec![record], statements).await.map(drop)
    }

    async fn unban(&self, target: BanTarget, record: Record) -> Result<bool, StoreError> {
        let statements = move |connection: &rusqlite::Connection| {
            let (workload, holder) = columns(&target);
            let sql = "DELETE FROM ban WHERE workload IS ?1 AND holder IS ?2";
            connection
                .execute(sql, params![workload, holder])
                .map(|count| count > 0)
        };
        self.run(vec![record], statements).await
    }

    fn bans(&self) -> Result<Vec<Ban>, StoreError> {
        self.readers.read(|connection| {
            let sql = "SELECT workload, holder, since, until, note, by FROM ban ORDER BY since";
            connection
                .prepare_cached(sql)?
                .query_map([], ban)?
                .collect()
        })
    }
}

#[async_trait]
impl SessionStore for SqliteStore {
    async fn touch(&self, session: Session) -> Result<(), StoreError> {
        let statements = move |connection: &rusqlite::Connection| {
            let mut statement = connection.prepare_cached(
                "INSERT INTO session (holder, subject, incarnation, last_seen, host)
                 VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO UPDATE SET incarnation = max(incarnation, excluded.incarnation),
                     last_seen = excluded.last_seen, host = excluded.host",
            )?;
            let incarnation = i64::try_from(session.incarnation).unwrap_or(i64::MAX);
            statement.execute(params![
                session.owner.holder.as_bytes(),
                session.owner.subject.as_str(),
                incarnation,
                sql_time(session.last_seen),
                session.host,
            ])?;
            Ok(true)
        };
        self.run(vec![], statements).await.map(drop)
    }

    fn session(&self, owner: &Owner) -> Result<Option<Session>, StoreError> {
        self.readers.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT incarnation, last_seen, host FROM session
                 WHERE holder = ?1 AND subject = ?2",
            )?;
            let key = params![owner.holder.as_bytes(), owner.subject.as_str()];
            statement
                .query_row(key, |row| {
                    let incarnation: i64 = row.get(0)?;
                    Ok(Session {
                        owner: owner.clone(),
                        incarnation: u64::try_from(incarnation).unwrap_or_default(),
                        last_seen: at(row, 1)?,
                        host: row.get(2)?,
                    })
                })
                .optional()
        })
    }
}

#[async_trait]
impl KeyStore for SqliteStore {
    async fn add_keys(&self, keys: Vec<StoredKey>, records: Vec<Record>) -> Result<(), StoreError> {
        let statements = move |connection: &rusqlite::Connection| {
            let mut statement = connection.prepare_cached(
                "INSERT INTO signing_key (kid, algorithm, public_key, kek_id, sealed_with, nonce,
                     ciphertext, published_at, signs_from)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?;
            for key in &keys {
                statement.execute(params![
                    key.kid,
                    key.algorithm,
                    key.public_key,
                    key.sealed.kek_id,
                    key.sealed.algorithm,
                    key.sealed.nonce,
                    key.sealed.ciphertext,
                    sql_time(key.published_at),
                    sql_time(key.signs_from),
                ])?;
            }
            Ok(true)
        };
        self.run(records, statements).await.map(drop)
    }

    fn keys(&self) -> Result<Vec<StoredKey>, StoreError> {
        self.readers.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT kid, algorithm, public_key, kek_id, sealed_with, nonce, ciphertext,
                     published_at, signs_from
                 FROM signing_key ORDER BY number",
            )?;
            statement.query_map([], key)?.collect()
        })
    }
}

#[async_trait]
impl PolicyStore for SqliteStore {
    async fn keep_policy(&self, policy: KeptPolicy, record: Record) -> Result<(), StoreError> {
        let statements = move |connection: &rusqlite::Connection| {
            let sql = "INSERT OR IGNORE INTO policy (hash, since) VALUES (?1, ?2)";
            connection.execute(sql, params![policy.hash, sql_time(policy.since)])?;
            let sql = "INSERT OR IGNORE INTO policy_file (hash, name, content) VALUES (?1, ?2, ?3)";
            let mut statement = connection.prepare_cached(sql)?;
            for (name, content) in &policy.files {
                statement.execute(params![policy.hash, name, content])?;
            }
            Ok(true)
        };
        self.run(vec![record], statements).await.map(drop)
    }

    fn policy(&self, hash: &str) -> Result<Option<KeptPolicy>, StoreError> {
        self.readers.read(|connection| {
            let sql = "SELECT since FROM policy WHERE hash = ?1";
            let since = connection
                .query_row(sql, [hash], |row| at(row, 0))
                .optional()?;
            let Some(since) = since else { return Ok(None) };
            let sql = "SELECT name, content FROM policy_file WHERE hash = ?1 ORDER BY name";
            let mut statement = connection.prepare_cached(sql)?;
            let files = statement.query_map([hash], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(Some(KeptPolicy {
                hash: hash.to_owned(),
                files: files.collect::<Result<_, _>>()?,
                since,
            }))
        })
    }
}

/// A target in its two columns, of which one is null.
fn columns(target: &BanTarget) -> (Option<&str>, Option<&[u8; 32]>) {
    match target {
        BanTarget::Workload(id) => (Some(id.as_str()), None),
        BanTarget::Holder(hash) => (None, Some(hash.as_bytes())),
    }
}

fn ban(row: &Row<'_>) -> rusqlite::Result<Ban> {
    let target = match row.get_ref(0)?.as_str_or_null()? {
        Some(id) => BanTarget::Workload(id.parse().map_err(|_| corrupt("a banned workload"))?),
        None => BanTarget::Holder(rows::holder(row, 1)?),
    };
    Ok(Ban {
        target,
        since: at(row, 2)?,
        until: rows::time(row, 3)?,
        note: row.get(4)?,
        by: row.get(5)?,
    })
}

fn key(row: &Row<'_>) -> rusqlite::Result<StoredKey> {
    Ok(StoredKey {
        kid: row.get(0)?,
        algorithm: row.get(1)?,
        public_key: row.get(2)?,
        sealed: Sealed {
            kek_id: row.get(3)?,
            algorithm: row.get(4)?,
            nonce: row.get(5)?,
            ciphertext: row.get(6)?,
        },
        published_at: at(row, 7)?,
        signs_from: at(row, 8)?,
    })
}

fn at(row: &Row<'_>, column: usize) -> rusqlite::Result<UnixMillis> {
    rows::time(row, column)?.ok_or_else(|| corrupt("a time"))
}
