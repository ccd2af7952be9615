//! Jobs and leases.

use async_trait::async_trait;
use rusqlite::{Connection, Row, ToSql, params};
use taskpass_proto::ids::{JobId, LeaseId};

use super::change::ChangeJob;
use super::{SqliteStore, rows};
use crate::domain::change::JobWithLeases;
use crate::domain::job::Owner;
use crate::domain::time::UnixMillis;
use crate::ports::store::StoreError;
use crate::ports::store::jobs::{JobChange, JobQuery, JobStore, Mark, OpenJobsOf};

#[async_trait]
impl JobStore for SqliteStore {
    async fn change(&self, job: JobId, change: Box<dyn JobChange>) -> Result<(), StoreError> {
        self.writer
            .write(|done| ChangeJob { job, change, done })
            .await
    }

    fn job(&self, job: JobId) -> Result<Option<JobWithLeases>, StoreError> {
        self.readers
            .read(|connection| consistent(connection, |c| rows::read_job(c, job)))
    }

    fn mark(&self, lease: LeaseId) -> Result<Option<Mark>, StoreError> {
        let mark = self
            .readers
            .read(|connection| rows::read_mark(connection, lease))?;
        Ok(mark.map(|(job_ended, lease)| Mark { job_ended, lease }))
    }

    fn due(&self, now: UnixMillis, limit: usize) -> Result<Vec<JobId>, StoreError> {
        self.readers.read(|connection| {
            let sql = "SELECT job FROM due WHERE at <= ?1 ORDER BY at LIMIT ?2";
            let mut statement = connection.prepare_cached(sql)?;
            let bounds = params![rows::sql_time(now), bounded(limit)];
            statement
                .query_map(bounds, |row| rows::job_id(row, 0))?
                .collect()
        })
    }

    fn next_due(&self) -> Result<Option<UnixMillis>, StoreError> {
        self.readers.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT min(at) FROM due")?;
            statement.query_row([], |row| rows::time(row, 0))
        })
    }

    fn open_jobs(
        &self,
        of: &OpenJobsOf,
        after: Option<JobId>,
        limit: usize,
    ) -> Result<Vec<JobId>, StoreError> {
        let after = after.map(|id| id.as_bytes().to_vec()).unwrap_or_default();
        let limit = bounded(limit);
        let (condition, values): (&str, Vec<Box<dyn ToSql>>) = match of {
            OpenJobsOf::Owner(owner) => (
                "subject = ?3 AND holder = ?4",
                vec![
                    Box::new(owner.subject.to_string()),
                    Box::new(*owner.holder.as_bytes()),
                ],
            ),
            OpenJobsOf::Subject(id) => ("subject = ?3", vec![Box::new(id.to_string())]),
            OpenJobsOf::Holder(hash) => ("holder = ?3", vec![Box::new(*hash.as_bytes())]),
        };
        let mut bound: Vec<&dyn ToSql> = vec![&after, &limit];
        bound.extend(values.iter().map(|value| value.as_ref()));
        let sql = format!(
            "SELECT id FROM job INDEXED BY open_job
             WHERE ended_at IS NULL AND id > ?1 AND {condition} ORDER BY id LIMIT ?2"
        );
        self.readers.read(|connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            statement
                .query_map(bound.as_slice(), |row| rows::job_id(row, 0))?
                .collect()
        })
    }

    fn announced_owners(&self) -> Result<Vec<Owner>, StoreError> {
        self.readers.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT DISTINCT subject, holder FROM job INDEXED BY open_job
                 WHERE ended_at IS NULL AND announced = 1",
            )?;
            statement.query_map([], owner)?.collect()
        })
    }

    fn list_jobs(&self, query: &JobQuery) -> Result<Vec<JobWithLeases>, StoreError> {
        let before = query
            .before
            .map(|id| id.as_bytes().to_vec())
            .unwrap_or(vec![0xff; 17]);
        let (sql, values) = listing(query);
        let limit = bounded(query.limit);
        let mut bound: Vec<&dyn ToSql> = vec![&before, &limit];
        bound.extend(values.iter().map(|value| value as &dyn ToSql));
        self.readers.read(|connection| {
            consistent(connection, |connection| {
                let mut statement = connection.prepare_cached(&sql)?;
                let jobs = statement.query_map(bound.as_slice(), rows::job)?;
                jobs.map(|job| {
                    let job = job?;
                    Ok(JobWithLeases {
                        leases: rows::read_leases(connection, job.id)?,
                        job,
                    })
                })
                .collect()
            })
        })
    }

    fn count_open(&self) -> Result<u64, StoreError> {
        self.readers.read(|connection| {
            let sql = "SELECT count(*) FROM job INDEXED BY open_job WHERE ended_at IS NULL";
            let count: i64 = connection
                .prepare_cached(sql)?
                .query_row([], |row| row.get(0))?;
            Ok(u64::try_from(count).unwrap_or_default())
        })
    }
}

/// A query for a page of jobs, newest first, and the texts that it binds from `?3` on.
fn listing(query: &JobQuery) -> (String, Vec<String>) {
    let mut conditions = String::new();
    let mut values = Vec::new();
    for (column, value) in [("subject", &query.subject), ("task", &query.task)] {
        if let Some(value) = value {
            values.push(value.clone());
            conditions.push_str(&format!(" AND {column} = ?{}", values.len() + 2));
        }
    }
    match query.open {
        Some(true) => conditions.push_str(" AND ended_at IS NULL"),
        Some(false) => conditions.push_str(" AND ended_at IS NOT NULL"),
        None => {}
    }
    let rest = format!("job WHERE id < ?1{conditions} ORDER BY id DESC LIMIT ?2");
    (rows::select_jobs(&rest), values)
}

/// Several statements that see the same moment.
fn consistent<T>(
    connection: &Connection,
    query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let transaction = connection.unchecked_transaction()?;
    let answer = query(&transaction)?;
    transaction.finish()?;
    Ok(answer)
}

fn owner(row: &Row<'_>) -> rusqlite::Result<Owner> {
    let subject = rows::parse(row, 0, "a workload's SPIFFE ID")?;
    Ok(Owner {
        subject,
        holder: rows::holder(row, 1)?,
    })
}

fn bounded(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
