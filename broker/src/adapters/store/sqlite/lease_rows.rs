//! Leases as rows.

use rusqlite::{Connection, Row, params};
use taskpass_proto::ids::{JobId, LeaseId};

use super::columns::{all, job_id, millis, one, optional_cause, optional_time, run, text};
use super::errors::{corrupt, unwritable};
use crate::domain::cause::Cause;
use crate::domain::lease::{Lease, LeaseState, Term, Terms};
use crate::ports::store::StoreError;
use crate::ports::store::jobs::Mark;

const OF_JOB: &str =
    "SELECT state, cause, ended_at, generation, issued_at, expires_at, job, number, terms
     FROM lease WHERE job = ?1 ORDER BY number";

const MARK: &str =
    "SELECT l.state, l.cause, l.ended_at, l.generation, l.issued_at, l.expires_at, j.cause,
     l.terms ->> '$.counts_from'
     FROM lease l JOIN job j ON j.id = l.job WHERE l.job = ?1 AND l.number = ?2";

const INSERT: &str = "INSERT OR REPLACE INTO lease
     (job, number, state, cause, ended_at, generation, issued_at, expires_at, terms)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";

const SET_STATE: &str = "UPDATE lease
     SET state = ?3, cause = ?4, ended_at = ?5, generation = ?6, issued_at = ?7, expires_at = ?8
     WHERE job = ?1 AND number = ?2";

/// The leases of a job, by ascending number.
pub(super) fn of_job(connection: &Connection, job: JobId) -> Result<Vec<Lease>, StoreError> {
    all(connection, OF_JOB, [job.as_bytes()], |row| {
        let terms: Terms =
            serde_json::from_str(text(row, 8)?).map_err(|_| corrupt("a lease's terms"))?;
        Ok(Lease {
            id: LeaseId::new(job_id(row, 6)?, row.get(7)?),
            terms,
            state: state(row)?,
        })
    })
}

/// What decides whether a token of a lease is active.
pub(super) fn mark(connection: &Connection, id: LeaseId) -> Result<Option<Mark>, StoreError> {
    let job = id.job();
    let key = params![job.as_bytes(), id.number()];
    one(connection, MARK, key, |row| {
        Ok(Mark {
            job_ended: optional_cause(row, 6)?,
            counts_from: row.get(7)?,
            lease: state(row)?,
        })
    })
}

/// Writes a lease; of one whose terms stand there already, only its state.
pub(super) fn write(
    connection: &Connection,
    before: Option<&Lease>,
    lease: &Lease,
) -> Result<(), StoreError> {
    let term = lease.newest();
    let ended_at = match lease.state {
        LeaseState::Ended { at, .. } => Some(millis(at)),
        LeaseState::Intent | LeaseState::Active(_) | LeaseState::Revoking { .. } => None,
    };
    let job = lease.id.job();
    let (job, number) = (job.as_bytes(), lease.id.number());
    let state = lease.state.as_str();
    let cause = lease.state.cause().map(Cause::as_str);
    let generation = term.map(|term| term.generation);
    let issued_at = term.map(|term| millis(term.issued_at));
    let expires_at = term.map(|term| millis(term.expires_at));
    let changed = if before.is_some_and(|before| before.terms == lease.terms) {
        let values = params![
            job, number, state, cause, ended_at, generation, issued_at, expires_at
        ];
        run(connection, SET_STATE, values)
    } else {
        let terms =
            serde_json::to_string(&lease.terms).map_err(|_| unwritable("a lease's terms"))?;
        let values = params![
            job, number, state, cause, ended_at, generation, issued_at, expires_at, terms
        ];
        run(connection, INSERT, values)
    };
    changed.map(drop)
}

/// A state in the first six columns.
fn state(row: &Row<'_>) -> Result<LeaseState, StoreError> {
    let cause = optional_cause(row, 1)?;
    let ended_at = optional_time(row, 2)?;
    let generation: Option<u32> = row.get(3)?;
    let term = match (generation, optional_time(row, 4)?, optional_time(row, 5)?) {
        (Some(generation), Some(issued_at), Some(expires_at)) => Some(Term {
            generation,
            issued_at,
            expires_at,
        }),
        (None, None, None) => None,
        _ => return Err(corrupt("a lease's generation")),
    };
    match (text(row, 0)?, term, cause, ended_at) {
        ("intent", None, None, None) => Ok(LeaseState::Intent),
        ("active", Some(term), None, None) => Ok(LeaseState::Active(term)),
        ("revoking", term, Some(cause), None) => Ok(LeaseState::Revoking { term, cause }),
        ("ended", term, Some(cause), Some(at)) => Ok(LeaseState::Ended { term, cause, at }),
        _ => Err(corrupt("a lease's state")),
    }
}
