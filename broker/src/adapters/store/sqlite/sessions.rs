//! Sessions of holders.

use async_trait::async_trait;
use rusqlite::params;

use super::SqliteStore;
use super::columns::{integer, millis, number, one, run, time};
use super::transaction::Transaction;
use crate::domain::job::Owner;
use crate::ports::store::StoreError;
use crate::ports::store::sessions::{Session, SessionStore};

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
