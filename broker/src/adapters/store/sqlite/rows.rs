//! Jobs and leases as rows.

use std::collections::BTreeMap;

use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use taskpass_proto::holder::HolderHash;
use taskpass_proto::ids::{JobId, LeaseId};

use super::errors::corrupt;
use crate::domain::cause::Cause;
use crate::domain::change::JobWithLeases;
use crate::domain::job::{Anchor, End, Job, Life, Liveness, Opening, Owner, Reported};
use crate::domain::lease::{Lease, LeaseState, Term, Terms};
use crate::domain::time::UnixMillis;

const JOB_COLUMNS: &str = "id, subject, holder, task, ended_at, cause, opening";
const LEASE_COLUMNS: &str =
    "job, number, state, cause, ended_at, generation, issued_at, expires_at, terms";

/// The columns of an opening that nothing is looked up by.
#[derive(Serialize, Deserialize)]
struct OpeningBody {
    parameters: BTreeMap<String, String>,
    request: String,
    policy: String,
    decision: String,
    opened_at: UnixMillis,
    ends_by: UnixMillis,
    liveness: Liveness,
    anchor: Anchor,
    reported: Option<Reported>,
}

/// Reads a job with its leases.
pub(super) fn read_job(
    connection: &Connection,
    id: JobId,
) -> rusqlite::Result<Option<JobWithLeases>> {
    let sql = const_format(JOB_COLUMNS, "job WHERE id = ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    let job = statement.query_row([id.as_bytes()], job).optional()?;
    match job {
        None => Ok(None),
        Some(job) => Ok(Some(JobWithLeases {
            leases: read_leases(connection, id)?,
            job,
        })),
    }
}

/// Reads the leases of a job, by ascending number.
pub(super) fn read_leases(connection: &Connection, job: JobId) -> rusqlite::Result<Vec<Lease>> {
    let sql = const_format(LEASE_COLUMNS, "lease WHERE job = ?1 ORDER BY number");
    let mut statement = connection.prepare_cached(&sql)?;
    statement.query_map([job.as_bytes()], lease)?.collect()
}

/// A job's end, and a lease's state: all that introspection needs.
pub(super) fn read_mark(
    connection: &Connection,
    id: LeaseId,
) -> rusqlite::Result<Option<(Option<Cause>, LeaseState)>> {
    let mut statement = connection.prepare_cached(
        "SELECT job.cause, lease.state, lease.cause, lease.ended_at, lease.generation,
                lease.issued_at, lease.expires_at
         FROM lease JOIN job ON job.id = lease.job WHERE lease.job = ?1 AND lease.number = ?2",
    )?;
    statement
        .query_row(params![id.job().as_bytes(), id.number()], |row| {
            Ok((optional_cause(row, 0)?, state(row, 1)?))
        })
        .optional()
}

/// Writes a job, with the time at which it is due.
pub(super) fn write_job(
    connection: &Connection,
    job: &Job,
    due_at: UnixMillis,
) -> rusqlite::Result<()> {
    let opening = job.opening().map(body).transpose()?;
    let end = job.ended();
    let announced = job
        .opening()
        .is_some_and(|o| o.liveness == Liveness::Heartbeat);
    let mut statement = connection.prepare_cached(
        "INSERT OR REPLACE INTO job
             (id, subject, holder, task, announced, due_at, ended_at, cause, opening)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    statement.execute(params![
        job.id.as_bytes(),
        job.owner.subject.as_str(),
        job.owner.holder.as_bytes(),
        job.opening().map(|opening| opening.task.as_str()),
        announced,
        sql_time(due_at),
        end.map(|end| sql_time(end.at)),
        end.map(|end| end.cause.as_str()),
        opening,
    ])?;
    Ok(())
}

/// Writes a lease.
pub(super) fn write_lease(connection: &Connection, lease: &Lease) -> rusqlite::Result<()> {
    let term = lease.newest();
    let ended_at = match lease.state {
        LeaseState::Ended { at, .. } => Some(sql_time(at)),
        LeaseState::Intent | LeaseState::Active(_) | LeaseState::Revoking { .. } => None,
    };
    let terms = serde_json::to_string(&lease.terms).map_err(|_| corrupt("a lease's terms"))?;
    let mut statement: CachedStatement<'_> = connection.prepare_cached(
        "INSERT OR REPLACE INTO lease
             (job, number, state, cause, ended_at, generation, issued_at, expires_at, terms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    statement.execute(params![
        lease.id.job().as_bytes(),
        lease.id.number(),
        lease.state.as_str(),
        lease.state.cause().map(Cause::as_str),
        ended_at,
        term.map(|term| term.generation),
        term.map(|term| sql_time(term.issued_at)),
        term.map(|term| sql_time(term.expires_at)),
        terms,
    ])?;
    Ok(())
}

/// Reads a job's row: [`JOB_COLUMNS`].
pub(super) fn job(row: &Row<'_>) -> rusqlite::Result<Job> {
    let owner = Owner {
        subject: parse(row, 1, "a workload's SPIFFE ID")?,
        holder: holder(row, 2)?,
    };
    let ended_at = time(row, 4)?;
    let opening = row
        .get_ref(6)?
        .as_str_or_null()?
        .map(|body| opening(row, body))
        .transpose()?;
    let life = match (ended_at, optional_cause(row, 5)?, opening) {
        (Some(at), Some(cause), opening) => Life::Ended {
            opening,
            end: End { cause, at },
        },
        (None, None, Some(opening)) => Life::Open(opening),
        _ => return Err(corrupt("a job's state")),
    };
    Ok(Job {
        id: job_id(row, 0)?,
        owner,
        life,
    })
}

/// A query of whole jobs.
pub(super) fn select_jobs(rest: &str) -> String {
    const_format(JOB_COLUMNS, rest)
}

/// A job's id in a column.
pub(super) fn job_id(row: &Row<'_>, column: usize) -> rusqlite::Result<JobId> {
    JobId::from_bytes(row.get(column)?).map_err(|_| corrupt("a job's id"))
}

/// A holder's hash in a column.
pub(super) fn holder(row: &Row<'_>, column: usize) -> rusqlite::Result<HolderHash> {
    row.get(column).map(HolderHash::from_bytes)
}

/// A text in a column that has a type of its own.
pub(super) fn parse<T: std::str::FromStr>(
    row: &Row<'_>,
    column: usize,
    what: &'static str,
) -> rusqlite::Result<T> {
    row.get_ref(column)?
        .as_str()?
        .parse()
        .map_err(|_| corrupt(what))
}

/// A time that may be absent.
pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<UnixMillis>> {
    let millis: Option<i64> = row.get(column)?;
    let time = millis.map(|m| u64::try_from(m).map(UnixMillis::new));
    time.transpose().map_err(|_| corrupt("a time before 1970"))
}

/// SQLite's integers are signed; the year 292,000,000 is far.
pub(super) fn sql_time(at: UnixMillis) -> i64 {
    i64::try_from(at.as_millis()).unwrap_or(i64::MAX)
}

fn body(opening: &Opening) -> rusqlite::Result<String> {
    let body = OpeningBody {
        parameters: opening.parameters.clone(),
        request: data_encoding::HEXLOWER.encode(&opening.request),
        policy: opening.policy.clone(),
        decision: opening.decision.clone(),
        opened_at: opening.opened_at,
        ends_by: opening.ends_by,
        liveness: opening.liveness,
        anchor: opening.anchor,
        reported: opening.reported.clone(),
    };
    serde_json::to_string(&body).map_err(|_| corrupt("a job's opening"))
}

fn opening(row: &Row<'_>, text: &str) -> rusqlite::Result<Opening> {
    let body: OpeningBody = serde_json::from_str(text).map_err(|_| corrupt("a job's opening"))?;
    let request = data_encoding::HEXLOWER.decode(body.request.as_bytes()).ok();
    let request = request.and_then(|bytes| bytes.try_into().ok());
    Ok(Opening {
        task: parse(row, 3, "a task's name")?,
        parameters: body.parameters,
        request: request.ok_or_else(|| corrupt("a request's digest"))?,
        policy: body.policy,
        decision: body.decision,
        opened_at: body.opened_at,
        ends_by: body.ends_by,
        liveness: body.liveness,
        anchor: body.anchor,
        reported: body.reported,
    })
}

/// Reads a lease's row: [`LEASE_COLUMNS`].
fn lease(row: &Row<'_>) -> rusqlite::Result<Lease> {
    let terms: Terms =
        serde_json::from_str(row.get_ref(8)?.as_str()?).map_err(|_| corrupt("a lease's terms"))?;
    Ok(Lease {
        id: LeaseId::new(job_id(row, 0)?, row.get(1)?),
        terms,
        state: state(row, 2)?,
    })
}

/// A lease's state in six columns from `first`: state, cause, end, generation, begin, expiry.
fn state(row: &Row<'_>, first: usize) -> rusqlite::Result<LeaseState> {
    let cause = optional_cause(row, first + 1)?;
    let term = match (
        row.get(first + 3)?,
        time(row, first + 4)?,
        time(row, first + 5)?,
    ) {
        (Some(generation), Some(issued_at), Some(expires_at)) => Some(Term {
            generation,
            issued_at,
            expires_at,
        }),
        _ => None,
    };
    match (
        row.get_ref(first)?.as_str()?,
        term,
        cause,
        time(row, first + 2)?,
    ) {
        ("intent", None, None, None) => Ok(LeaseState::Intent),
        ("active", Some(term), None, None) => Ok(LeaseState::Active(term)),
        ("revoking", term, Some(cause), None) => Ok(LeaseState::Revoking { term, cause }),
        ("ended", term, Some(cause), Some(at)) => Ok(LeaseState::Ended { term, cause, at }),
        _ => Err(corrupt("a lease's state")),
    }
}

fn optional_cause(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Cause>> {
    let word = row.get_ref(column)?.as_str_or_null()?;
    let cause = word.map(|word| Cause::from_word(word).ok_or_else(|| corrupt("a cause")));
    cause.transpose()
}

fn const_format(columns: &str, rest: &str) -> String {
    format!("SELECT {columns} FROM {rest}")
}
