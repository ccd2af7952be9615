//! Bans.

use async_trait::async_trait;
use rusqlite::{Row, params};
use taskpass_proto::holder::HolderHash;

use super::SqliteStore;
use super::columns::{all, millis, optional_time, run, text, time};
use super::errors::corrupt;
use super::transaction::Transaction;
use crate::domain::audit::Record;
use crate::domain::ban::{Ban, BanTarget};
use crate::ports::store::StoreError;
use crate::ports::store::bans::BanStore;

#[async_trait]
impl BanStore for SqliteStore {
    async fn ban(&self, ban: Ban, record: Record) -> Result<(), StoreError> {
        let sql = "INSERT OR REPLACE INTO ban (target, since, until, note, by)
                   VALUES (?1, ?2, ?3, ?4, ?5)";
        let work = move |transaction: &mut Transaction<'_>| {
            let target = target_text(&ban.target);
            let (since, until) = (millis(ban.since), ban.until.map(millis));
            let values = params![target, since, until, ban.note, ban.by];
            run(transaction.connection, sql, values)?;
            transaction.append(std::slice::from_ref(&record))
        };
        self.writer.write(work).await
    }

    async fn unban(&self, target: BanTarget, record: Record) -> Result<bool, StoreError> {
        let target = target_text(&target);
        let work = move |transaction: &mut Transaction<'_>| {
            let sql = "DELETE FROM ban WHERE target = ?1";
            let was_banned = run(transaction.connection, sql, [&target])? > 0;
            if was_banned {
                transaction.append(std::slice::from_ref(&record))?;
            }
            Ok(was_banned)
        };
        self.writer.write(work).await
    }

    fn bans(&self) -> Result<Vec<Ban>, StoreError> {
        let sql = "SELECT target, since, until, note, by FROM ban ORDER BY since, target";
        self.readers.read(|c| all(c, sql, [], ban))
    }
}

fn ban(row: &Row<'_>) -> Result<Ban, StoreError> {
    Ok(Ban {
        target: target(text(row, 0)?).ok_or_else(|| corrupt("the target of a ban"))?,
        since: time(row, 1)?,
        until: optional_time(row, 2)?,
        note: row.get(3)?,
        by: row.get(4)?,
    })
}

fn target_text(target: &BanTarget) -> String {
    match target {
        BanTarget::Workload(id) => id.to_string(),
        BanTarget::Holder(hash) => hash.to_string(),
    }
}

/// No text is both: a SPIFFE ID holds colons, a hash in hexadecimal does not.
fn target(text: &str) -> Option<BanTarget> {
    match HolderHash::from_hex(text) {
        Some(hash) => Some(BanTarget::Holder(hash)),
        None => text.parse().ok().map(BanTarget::Workload),
    }
}
