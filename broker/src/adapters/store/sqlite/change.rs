//! Runs the pure changes of jobs inside the writer's transaction.

use taskpass_proto::ids::JobId;

use super::job_rows::{self, Known};
use super::lease_rows;
use super::transaction::Transaction;
use crate::domain::change::revoked::revoked;
use crate::domain::change::{Current, Due, Saved};
use crate::domain::job::Job;
use crate::domain::time::UnixMillis;
use crate::ports::store::jobs::JobChange;
use crate::ports::store::{StoreError, StoreErrorKind};

/// Shows a change what is recorded, and records what it says.
pub(super) fn run(
    transaction: &mut Transaction<'_>,
    id: JobId,
    change: &mut dyn JobChange,
) -> Result<(), StoreError> {
    let before = job_rows::find(transaction.connection, id)?;
    let saved = {
        let live_jobs = |subject: &_, task: &_| transaction.live_jobs(subject, task);
        change.apply(&Current {
            job: before.as_ref().map(|known| &known.job),
            live_jobs: &live_jobs,
        })
    };
    save(transaction, id, before.as_ref(), &saved)
}

fn save(
    transaction: &mut Transaction<'_>,
    id: JobId,
    before: Option<&Known>,
    saved: &Saved,
) -> Result<(), StoreError> {
    refuse_other_jobs(id, saved)?;
    if saved.due == Due::Forget {
        job_rows::delete(transaction.connection, id)?;
        transaction.count(before.map(|known| &known.job.job), None);
    } else {
        save_job(transaction, id, before, saved)?;
        for lease in &saved.leases {
            let mut known = before.iter().flat_map(|known| &known.job.leases);
            let known = known.find(|known| known.id == lease.id);
            lease_rows::write(transaction.connection, known, lease)?;
        }
    }
    // INVARIANT: in the transaction of the end itself, so that no verifier misses one.
    transaction.revoke(&revoked(before.map(|known| &known.job), saved))?;
    transaction.append(&saved.records)
}

fn save_job(
    transaction: &mut Transaction<'_>,
    id: JobId,
    before: Option<&Known>,
    saved: &Saved,
) -> Result<(), StoreError> {
    let connection = transaction.connection;
    let due_at = due(before.map(|known| known.due_at), saved.due);
    match (before, &saved.job) {
        (Some(known), Some(job)) if is_same_but_for_its_end(&known.job.job, job) => {
            if let Some(end) = job.ended() {
                job_rows::mark(connection, id, end)?;
            }
            move_due(transaction, id, known, due_at)?;
        }
        // A job without a time is looked at at once, so that none is ever left lying.
        (_, Some(job)) => job_rows::insert(connection, job, due_at.unwrap_or_default())?,
        (Some(known), None) => move_due(transaction, id, known, due_at)?,
        (None, None) => {}
    }
    if let Some(job) = &saved.job {
        transaction.count(before.map(|known| &known.job.job), Some(job));
    }
    Ok(())
}

fn move_due(
    transaction: &Transaction<'_>,
    id: JobId,
    known: &Known,
    due_at: Option<UnixMillis>,
) -> Result<(), StoreError> {
    match due_at {
        Some(at) if at != known.due_at => job_rows::set_due(transaction.connection, id, at),
        Some(_) | None => Ok(()),
    }
}

/// When the clock is to look again.
fn due(before: Option<UnixMillis>, due: Due) -> Option<UnixMillis> {
    match (due, before) {
        (Due::At(at), _) | (Due::NoLaterThan(at), None) => Some(at),
        (Due::NoLaterThan(at), Some(before)) => Some(at.min(before)),
        (Due::AsBefore | Due::Forget, before) => before,
    }
}

/// Then its mark is all that has to be written, and the rest of its row is not made anew.
fn is_same_but_for_its_end(before: &Job, after: &Job) -> bool {
    let may_change = before.as_open().is_some() || before.ended() == after.ended();
    may_change && before.owner == after.owner && before.opening() == after.opening()
}

fn refuse_other_jobs(id: JobId, saved: &Saved) -> Result<(), StoreError> {
    let jobs = saved.job.iter().map(|job| job.id);
    let leases = saved.leases.iter().map(|lease| lease.id.job());
    match jobs.chain(leases).find(|other| *other != id) {
        None => Ok(()),
        Some(other) => Err(StoreError {
            kind: StoreErrorKind::Other,
            message: format!("a change of {id} cannot save anything of {other}"),
        }),
    }
}
