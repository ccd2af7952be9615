//! Runs the pure changes of jobs inside the writer's transaction.

use rusqlite::{Connection, OptionalExtension, params};
use taskpass_proto::ids::JobId;
use tokio::sync::oneshot;

use super::rows;
use super::writer::{Command, InTransaction};
use crate::domain::change::{Current, Due, JobWithLeases, Saved};
use crate::domain::job::Job;
use crate::domain::time::UnixMillis;
use crate::ports::store::StoreError;
use crate::ports::store::jobs::JobChange;

/// A change of one job.
pub(super) struct ChangeJob {
    pub(super) job: JobId,
    pub(super) change: Box<dyn JobChange>,
    pub(super) done: oneshot::Sender<Result<(), StoreError>>,
}

impl Command for ChangeJob {
    fn apply(&mut self, transaction: &mut InTransaction<'_>) -> rusqlite::Result<()> {
        let before = rows::read_job(transaction.connection, self.job)?;
        let saved = {
            let live_jobs = |subject: &_, task: &_| transaction.live_jobs(subject, task);
            self.change.apply(&Current {
                job: before.as_ref(),
                live_jobs: &live_jobs,
            })
        };
        save(transaction, self.job, before.as_ref(), &saved)
    }

    fn finish(self: Box<Self>, outcome: Result<(), StoreError>) {
        let _ = self.done.send(outcome);
    }
}

fn save(
    transaction: &mut InTransaction<'_>,
    id: JobId,
    before: Option<&JobWithLeases>,
    saved: &Saved,
) -> rusqlite::Result<()> {
    let connection = transaction.connection;
    if saved.due == Due::Forget {
        return forget(connection, id);
    }
    let due = move_due(connection, id, saved.due)?;
    if let Some(job) = &saved.job {
        rows::write_job(connection, job, due.unwrap_or_default())?;
        count(transaction, before.map(|known| &known.job), job);
    } else if let Some(due) = due {
        let mut statement =
            connection.prepare_cached("UPDATE job SET due_at = ?2 WHERE id = ?1")?;
        statement.execute(params![id.as_bytes(), rows::sql_time(due)])?;
    }
    for lease in &saved.leases {
        rows::write_lease(connection, lease)?;
    }
    transaction.append(&saved.records)
}

/// Moves a job's due row, of which there is exactly one. Answers where it stands; `None` when nothing moved
/// and the job's row need not be touched.
fn move_due(connection: &Connection, id: JobId, due: Due) -> rusqlite::Result<Option<UnixMillis>> {
    let mut statement = connection.prepare_cached("SELECT due_at FROM job WHERE id = ?1")?;
    let now = statement
        .query_row([id.as_bytes()], |row| rows::time(row, 0))
        .optional()?
        .flatten();
    let next = match (due, now) {
        (Due::At(at), _) | (Due::NoLaterThan(at), None) => at,
        (Due::NoLaterThan(at), Some(now)) => at.min(now),
        (Due::AsBefore | Due::Forget, now) => return Ok(now),
    };
    if now == Some(next) {
        return Ok(now);
    }
    if let Some(now) = now {
        let mut statement =
            connection.prepare_cached("DELETE FROM due WHERE at = ?1 AND job = ?2")?;
        statement.execute(params![rows::sql_time(now), id.as_bytes()])?;
    }
    let mut statement = connection.prepare_cached("INSERT INTO due (at, job) VALUES (?1, ?2)")?;
    statement.execute(params![rows::sql_time(next), id.as_bytes()])?;
    Ok(Some(next))
}

fn forget(connection: &Connection, id: JobId) -> rusqlite::Result<()> {
    for sql in [
        "DELETE FROM due WHERE job = ?1 AND at = (SELECT due_at FROM job WHERE id = ?1)",
        "DELETE FROM lease WHERE job = ?1",
        "DELETE FROM job WHERE id = ?1",
    ] {
        connection.prepare_cached(sql)?.execute([id.as_bytes()])?;
    }
    Ok(())
}

fn count(transaction: &mut InTransaction<'_>, before: Option<&Job>, after: &Job) {
    let open = |job: Option<&Job>| i64::from(job.is_some_and(|job| job.as_open().is_some()));
    let delta = open(Some(after)) - open(before);
    if let (Some(opening), true) = (after.opening(), delta != 0) {
        transaction.count(&after.owner.subject, &opening.task, delta);
    }
}
