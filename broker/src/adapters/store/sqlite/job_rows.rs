//! Jobs as rows.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row, ToSql, params};
use taskpass_proto::ids::JobId;

use super::columns::{
    holder, job_id, millis, one, optional_cause, optional_text, optional_time, parse, run, text,
    time,
};
use super::errors::{corrupt, unwritable};
use super::lease_rows;
use crate::domain::change::JobWithLeases;
use crate::domain::job::{Anchor, End, Job, Life, Liveness, Opening, Owner, Reported};
use crate::domain::time::UnixMillis;
use crate::ports::store::StoreError;

/// A query of whole jobs, the columns in the order in which [`read`] takes them.
macro_rules! select_jobs {
    ($rest:expr) => {
        concat!(
            "SELECT id, ended_at, cause, due_at, subject, holder, task, liveness, anchor, opened_at, ",
            "ends_by, request, decision, policy, parameters, reported FROM job ",
            $rest
        )
    };
}
pub(super) use select_jobs;

const INSERT: &str = "INSERT OR REPLACE INTO job
    (id, ended_at, cause, due_at, subject, holder, task, liveness, anchor, opened_at, ends_by, request,
     decision, policy, parameters, reported)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";

/// A job as it is stored.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) job: JobWithLeases,
    /// When the clock may next have something to do for it.
    pub(super) due_at: UnixMillis,
}

/// Finds a job with its leases.
pub(super) fn find(connection: &Connection, id: JobId) -> Result<Option<Known>, StoreError> {
    let sql = select_jobs!("WHERE id = ?1");
    one(connection, sql, [id.as_bytes()], |row| {
        Ok(Known {
            job: with_leases(connection, row)?,
            due_at: time(row, 3)?,
        })
    })
}

/// Reads a row of [`select_jobs`], and the leases of its job.
///
/// INVARIANT: both come from one moment, because the query that gave the row is still running.
pub(super) fn with_leases(
    connection: &Connection,
    row: &Row<'_>,
) -> Result<JobWithLeases, StoreError> {
    let job = read(row)?;
    let leases = lease_rows::of_job(connection, job.id)?;
    Ok(JobWithLeases { job, leases })
}

/// Writes a job whole.
pub(super) fn insert(
    connection: &Connection,
    job: &Job,
    due_at: UnixMillis,
) -> Result<(), StoreError> {
    let end = job.ended();
    let ended_at = end.map(|end| millis(end.at));
    let cause = end.map(|end| end.cause.as_str());
    let due_at = millis(due_at);
    let (subject, holder) = (job.owner.subject.as_str(), job.owner.holder.as_bytes());
    let start: [&dyn ToSql; 6] = [
        job.id.as_bytes(),
        &ended_at,
        &cause,
        &due_at,
        &subject,
        holder,
    ];
    let Some(opening) = job.opening() else {
        let nothing: [&dyn ToSql; 10] = [&rusqlite::types::Null; 10];
        let values: Vec<&dyn ToSql> = start.into_iter().chain(nothing).collect();
        return run(connection, INSERT, values.as_slice()).map(drop);
    };
    let reported = opening.reported.as_ref().map(json).transpose()?;
    let rest: [&dyn ToSql; 10] = [
        &opening.task.as_str(),
        &liveness_word(opening.liveness),
        &anchor_word(opening.anchor),
        &millis(opening.opened_at),
        &millis(opening.ends_by),
        &opening.request,
        &opening.decision,
        &opening.policy,
        &json(&opening.parameters)?,
        &reported,
    ];
    let values: Vec<&dyn ToSql> = start.into_iter().chain(rest).collect();
    run(connection, INSERT, values.as_slice()).map(drop)
}

/// Writes the mark of a job's end.
pub(super) fn mark(connection: &Connection, id: JobId, end: End) -> Result<(), StoreError> {
    let sql = "UPDATE job SET ended_at = ?2, cause = ?3 WHERE id = ?1";
    let values = params![id.as_bytes(), millis(end.at), end.cause.as_str()];
    run(connection, sql, values).map(drop)
}

/// Writes when the clock is to look at a job again.
pub(super) fn set_due(
    connection: &Connection,
    id: JobId,
    due_at: UnixMillis,
) -> Result<(), StoreError> {
    let sql = "UPDATE job SET due_at = ?2 WHERE id = ?1";
    run(connection, sql, params![id.as_bytes(), millis(due_at)]).map(drop)
}

/// Deletes a job and its leases.
pub(super) fn delete(connection: &Connection, id: JobId) -> Result<(), StoreError> {
    run(
        connection,
        "DELETE FROM lease WHERE job = ?1",
        [id.as_bytes()],
    )?;
    run(connection, "DELETE FROM job WHERE id = ?1", [id.as_bytes()]).map(drop)
}

fn read(row: &Row<'_>) -> Result<Job, StoreError> {
    let id = job_id(row, 0)?;
    let end = match (optional_time(row, 1)?, optional_cause(row, 2)?) {
        (Some(at), Some(cause)) => Some(End { cause, at }),
        (None, None) => None,
        _ => return Err(corrupt(&format!("the end of {id}"))),
    };
    let owner = Owner {
        subject: parse(row, 4, "a workload's SPIFFE ID")?,
        holder: holder(row, 5)?,
    };
    let was_opened = optional_text(row, 6)?.is_some();
    let life = match (was_opened.then(|| opening(row)).transpose()?, end) {
        (Some(opening), None) => Life::Open(opening),
        (opening, Some(end)) => Life::Ended { opening, end },
        (None, None) => return Err(corrupt(&format!("the state of {id}"))),
    };
    Ok(Job { id, owner, life })
}

fn opening(row: &Row<'_>) -> Result<Opening, StoreError> {
    let parameters: BTreeMap<String, String> =
        serde_json::from_str(text(row, 14)?).map_err(|_| corrupt("a job's parameters"))?;
    let reported: Option<Reported> = optional_text(row, 15)?
        .map(serde_json::from_str)
        .transpose()
        .map_err(|_| corrupt("what was reported of a job's caller"))?;
    Ok(Opening {
        task: parse(row, 6, "a task's name")?,
        parameters,
        request: row.get(11)?,
        policy: row.get(13)?,
        decision: row.get(12)?,
        opened_at: time(row, 9)?,
        ends_by: time(row, 10)?,
        liveness: liveness(text(row, 7)?)?,
        anchor: anchor(text(row, 8)?)?,
        reported,
    })
}

fn json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_| unwritable("a job's opening"))
}

fn liveness_word(liveness: Liveness) -> &'static str {
    match liveness {
        Liveness::None => "none",
        Liveness::Heartbeat => "heartbeat",
    }
}

fn liveness(word: &str) -> Result<Liveness, StoreError> {
    match word {
        "none" => Ok(Liveness::None),
        "heartbeat" => Ok(Liveness::Heartbeat),
        _ => Err(corrupt("a job's liveness")),
    }
}

fn anchor_word(anchor: Anchor) -> &'static str {
    match anchor {
        Anchor::Ttl => "ttl",
        Anchor::Process => "process",
        Anchor::Connection => "connection",
    }
}

fn anchor(word: &str) -> Result<Anchor, StoreError> {
    match word {
        "ttl" => Ok(Anchor::Ttl),
        "process" => Ok(Anchor::Process),
        "connection" => Ok(Anchor::Connection),
        _ => Err(corrupt("a job's anchor")),
    }
}
