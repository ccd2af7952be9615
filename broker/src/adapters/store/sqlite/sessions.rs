//! Sessions of holders.

use async_trait::async_trait;
use rusqlite::{Connection, params};

use super::SqliteStore;
use super::columns::{all, holder, integer, millis, number, one, parse, run, time};
use super::transaction::Transaction;
use crate::domain::job::Owner;
use crate::domain::time::UnixMillis;
use crate::ports::store::StoreError;
use crate::ports::store::sessions::{Forgotten, Session, SessionStore};

/// INVARIANT: a lower incarnation changes nothing. Its last word may arrive after the newest has begun.
const TOUCH: &str = "INSERT INTO session (subject, holder, incarnation, last_seen, host)
    VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT DO UPDATE
    SET incarnation = excluded.incarnation, last_seen = excluded.last_seen, host = excluded.host
    WHERE excluded.incarnation >= incarnation";

#[async_trait]
impl SessionStore for SqliteStore {
    async fn touch(&self, session: Session) -> Result<(), StoreError> {
        let work = move |transaction: &mut Transaction<'_>| {
            let values = params![
                session.owner.subject.as_str(),
                session.owner.holder.as_bytes(),
                integer(session.incarnation),
                millis(session.last_seen),
                session.host,
            ];
            run(transaction.connection, TOUCH, values).map(drop)
        };
        self.writer.write(work).await
    }

    async fn forget_silent(
        &self,
        silent_since: UnixMillis,
        after: Option<Owner>,
        rows: usize,
    ) -> Result<Forgotten, StoreError> {
        let work = move |transaction: &mut Transaction<'_>| {
            forget(transaction.connection, silent_since, after.as_ref(), rows)
        };
        self.writer.write(work).await
    }

    fn session(&self, owner: &Owner) -> Result<Option<Session>, StoreError> {
        let sql = "SELECT incarnation, last_seen, host FROM session
                   WHERE subject = ?1 AND holder = ?2";
        let key = params![owner.subject.as_str(), owner.holder.as_bytes()];
        self.readers.read(|c| {
            one(c, sql, key, |row| {
                Ok(Session {
                    owner: owner.clone(),
                    incarnation: number(row, 0)?,
                    last_seen: time(row, 1)?,
                    host: row.get(2)?,
                })
            })
        })
    }
}

/// Looks at rows one after another, so that its time does not depend on how many there are.
fn forget(
    connection: &Connection,
    silent_since: UnixMillis,
    after: Option<&Owner>,
    rows: usize,
) -> Result<Forgotten, StoreError> {
    let sql = "SELECT subject, holder, last_seen FROM session
               WHERE (subject, holder) > (?1, ?2) ORDER BY subject, holder LIMIT ?3";
    let subject = after.map_or("", |owner| owner.subject.as_str());
    let from: &[u8] = after.map_or(&[], |owner| owner.holder.as_bytes());
    let seen = all(
        connection,
        sql,
        params![subject, from, integer(rows)],
        |row| {
            let owner = Owner {
                subject: parse(row, 0, "a workload's SPIFFE ID")?,
                holder: holder(row, 1)?,
            };
            Ok((owner, time(row, 2)?))
        },
    )?;
    let mut forgotten = Forgotten::default();
    if seen.len() == rows {
        forgotten.next = seen.last().map(|(owner, _)| owner.clone());
    }
    // The row is looked at again in the statement that deletes it: the holder may have come back.
    let delete = "DELETE FROM session WHERE subject = ?1 AND holder = ?2 AND last_seen < ?3
        AND NOT EXISTS (SELECT 1 FROM job INDEXED BY job_open
            WHERE ended_at IS NULL AND job.subject = ?1 AND job.holder = ?2)";
    for (owner, last_seen) in seen {
        if last_seen < silent_since {
            let key = params![
                owner.subject.as_str(),
                owner.holder.as_bytes(),
                millis(silent_since)
            ];
            forgotten.holders += integer(run(connection, delete, key)?).unsigned_abs();
        }
    }
    Ok(forgotten)
}
