//! Jobs and leases, as the port has them.

use async_trait::async_trait;
use rusqlite::{Connection, Params, params};
use taskpass_identity::SpiffeId;
use taskpass_proto::ids::{JobId, LeaseId};

use super::columns::{all, holder, integer, job_id, millis, one, optional_time, parse};
use super::transaction::Transaction;
use super::{SqliteStore, change, job_rows, lease_rows, listing};
use crate::domain::change::JobWithLeases;
use crate::domain::job::Owner;
use crate::domain::time::UnixMillis;
use crate::ports::store::StoreError;
use crate::ports::store::jobs::{JobChange, JobPage, JobQuery, JobStore, Mark, OpenJobsOf};

#[async_trait]
impl JobStore for SqliteStore {
    async fn change(&self, job: JobId, mut change: Box<dyn JobChange>) -> Result<(), StoreError> {
        let work = move |t: &mut Transaction<'_>| change::run(t, job, change.as_mut());
        self.writer.write(work).await
    }

    fn job(&self, job: JobId) -> Result<Option<JobWithLeases>, StoreError> {
        let known = self.readers.read(|c| job_rows::find(c, job))?;
        Ok(known.map(|known| known.job))
    }

    fn mark(&self, lease: LeaseId) -> Result<Option<Mark>, StoreError> {
        self.readers.read(|c| lease_rows::mark(c, lease))
    }

    fn due(&self, now: UnixMillis, limit: usize) -> Result<Vec<JobId>, StoreError> {
        let sql = "SELECT id FROM job INDEXED BY job_due WHERE due_at <= ?1
                   ORDER BY due_at, id LIMIT ?2";
        let bounds = params![millis(now), integer(limit)];
        self.readers.read(|c| ids(c, sql, bounds))
    }

    fn next_due(&self) -> Result<Option<UnixMillis>, StoreError> {
        let sql = "SELECT min(due_at) FROM job";
        let next = |c: &_| one(c, sql, [], |row| optional_time(row, 0));
        Ok(self.readers.read(next)?.flatten())
    }

    fn open_jobs(
        &self,
        of: &OpenJobsOf,
        after: Option<JobId>,
        limit: usize,
    ) -> Result<Vec<JobId>, StoreError> {
        let after = after.map_or([0; 16], |id| *id.as_bytes());
        let limit = integer(limit);
        self.readers.read(|c| match of {
            OpenJobsOf::Owner(owner) => {
                let sql = "SELECT id FROM job INDEXED BY job_open WHERE ended_at IS NULL
                           AND subject = ?3 AND holder = ?4 AND id > ?1 ORDER BY id LIMIT ?2";
                let (subject, holder) = (owner.subject.as_str(), owner.holder.as_bytes());
                ids(c, sql, params![after, limit, subject, holder])
            }
            OpenJobsOf::Subject(subject) => {
                let sql = "SELECT id FROM job INDEXED BY job_open WHERE ended_at IS NULL
                           AND subject = ?3 AND id > ?1 ORDER BY id LIMIT ?2";
                ids(c, sql, params![after, limit, subject.as_str()])
            }
            OpenJobsOf::Holder(holder) => {
                let sql = "SELECT id FROM job INDEXED BY job_open WHERE ended_at IS NULL
                           AND holder = ?3 AND id > ?1 ORDER BY id LIMIT ?2";
                ids(c, sql, params![after, limit, holder.as_bytes()])
            }
        })
    }

    fn open_subjects(&self) -> Result<Vec<SpiffeId>, StoreError> {
        let sql = "SELECT DISTINCT subject FROM job INDEXED BY job_open WHERE ended_at IS NULL";
        self.readers
            .read(|c| all(c, sql, [], |row| parse(row, 0, "a workload's SPIFFE ID")))
    }

    fn announced_owners(&self) -> Result<Vec<Owner>, StoreError> {
        let sql = "SELECT DISTINCT subject, holder FROM job INDEXED BY job_open
                   WHERE ended_at IS NULL AND liveness = 'heartbeat'";
        let owners = |c: &_| {
            all(c, sql, [], |row| {
                Ok(Owner {
                    subject: parse(row, 0, "a workload's SPIFFE ID")?,
                    holder: holder(row, 1)?,
                })
            })
        };
        self.readers.read(owners)
    }

    fn list_jobs(&self, query: &JobQuery) -> Result<JobPage, StoreError> {
        self.readers.read(|c| listing::page(c, query))
    }

    fn count_open(&self) -> Result<u64, StoreError> {
        Ok(self.writer.open_jobs())
    }
}

fn ids(connection: &Connection, sql: &str, bounds: impl Params) -> Result<Vec<JobId>, StoreError> {
    all(connection, sql, bounds, |row| job_id(row, 0))
}
