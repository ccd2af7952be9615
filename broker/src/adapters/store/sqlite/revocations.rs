//! The feed of revocations: dense numbers, given by the one writer in the order of commits.

use async_trait::async_trait;
use rusqlite::{Connection, Row, params};
use taskpass_proto::ids::LeaseId;
use tokio::sync::watch;

use super::SqliteStore;
use super::columns::{all, integer, job_id, millis, number, one, run, time};
use super::transaction::Transaction;
use crate::domain::revocation::{NumberedRevocation, Revocation, Revoked};
use crate::domain::time::UnixMillis;
use crate::ports::store::StoreError;
use crate::ports::store::revocations::{RevocationPage, RevocationStore};

const APPEND: &str = "INSERT INTO revocation (number, audience, job, lease, until)
    VALUES (?1, ?2, ?3, ?4, ?5)";

/// Rows that one round of pruning looks at: a millisecond or two of the reader, and less of the writer.
const PRUNED_AT_ONCE: usize = 5_000;

#[async_trait]
impl RevocationStore for SqliteStore {
    fn revocations(&self, after: u64, limit: usize) -> Result<RevocationPage, StoreError> {
        let sql = "SELECT number, audience, job, lease, until FROM revocation
                   WHERE number > ?1 ORDER BY number LIMIT ?2";
        let bounds = params![integer(after), integer(limit)];
        let entries = self.readers.read(|c| all(c, sql, bounds, entry))?;
        Ok(RevocationPage {
            through: entries.last().map_or(after, |last| last.number),
            is_complete: entries.len() < limit,
            entries,
        })
    }

    fn newest_revocation(&self) -> watch::Receiver<u64> {
        self.writer.newest_revocation()
    }

    async fn prune_revocations(&self, now: UnixMillis, after: u64) -> Result<u64, StoreError> {
        let (rows, through, over) = self.readers.read(|c| look(c, now, after))?;
        // The newest is over and stays: that alone is no reason to write.
        let newest = *self.writer.newest_revocation().borrow();
        if over > u64::from(through == newest) {
            let work = move |t: &mut Transaction<'_>| prune(t.connection, now, after, through);
            self.writer.write(work).await?;
        }
        let is_last = rows < PRUNED_AT_ONCE as u64;
        Ok(if is_last { 0 } else { through })
    }
}

/// The numbers of the feed. They have no gaps: those of a failed transaction are given again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbers {
    committed: u64,
    last: u64,
}

impl Numbers {
    /// Goes on where the feed ends.
    pub(super) fn read(connection: &Connection) -> Result<Self, StoreError> {
        let sql = "SELECT coalesce(max(number), 0) FROM revocation";
        let last = one(connection, sql, [], |row| number(row, 0))?.unwrap_or(0);
        Ok(Self {
            committed: last,
            last,
        })
    }

    /// Appends an entry with the next number.
    pub(super) fn append(
        &mut self,
        connection: &Connection,
        revocation: &Revocation,
    ) -> Result<(), StoreError> {
        let (job, lease) = match revocation.revoked {
            Revoked::Job(job) => (job, None),
            Revoked::Lease(lease) => (lease.job(), Some(lease.number())),
        };
        self.last += 1;
        let values = params![
            integer(self.last),
            revocation.audience,
            job.as_bytes(),
            lease,
            millis(revocation.until),
        ];
        run(connection, APPEND, values).map(drop)
    }

    /// The newest number that is durable.
    pub(super) fn newest(&self) -> u64 {
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

/// How many rows come next, the last of their numbers, and how many of them are over.
fn look(
    connection: &Connection,
    now: UnixMillis,
    after: u64,
) -> Result<(u64, u64, u64), StoreError> {
    let sql = "SELECT count(*), coalesce(max(number), 0), coalesce(sum(until <= ?3), 0) FROM
               (SELECT number, until FROM revocation WHERE number > ?1 ORDER BY number LIMIT ?2)";
    let bounds = params![integer(after), integer(PRUNED_AT_ONCE), millis(now)];
    let found = one(connection, sql, bounds, |row| {
        Ok((number(row, 0)?, number(row, 1)?, number(row, 2)?))
    })?;
    Ok(found.unwrap_or_default())
}

fn prune(
    connection: &Connection,
    now: UnixMillis,
    after: u64,
    through: u64,
) -> Result<(), StoreError> {
    let sql = "DELETE FROM revocation WHERE number > ?1 AND number <= ?2 AND until <= ?3
               AND number < (SELECT max(number) FROM revocation)";
    let bounds = params![integer(after), integer(through), millis(now)];
    run(connection, sql, bounds).map(drop)
}

fn entry(row: &Row<'_>) -> Result<NumberedRevocation, StoreError> {
    let job = job_id(row, 2)?;
    let lease: Option<u16> = row.get(3)?;
    let revocation = Revocation {
        audience: row.get(1)?,
        revoked: match lease {
            None => Revoked::Job(job),
            Some(lease) => Revoked::Lease(LeaseId::new(job, lease)),
        },
        until: time(row, 4)?,
    };
    Ok(NumberedRevocation {
        number: number(row, 0)?,
        revocation,
    })
}
