//! Pages of jobs, newest first.

use rusqlite::{Connection, Row, params};

use super::columns::{integer, job_id, optional_text, text};
use super::job_rows::{self, select_jobs};
use crate::ports::store::StoreError;
use crate::ports::store::jobs::{JobPage, JobQuery};

/// Rows that one page looks at, at most: a few milliseconds.
const ROWS: usize = 5_000;
/// Comes after every id.
const BEYOND: [u8; 16] = [0xff; 16];

/// Reads a page. Its rows come from one moment, because the query keeps running until the end.
pub(super) fn page(connection: &Connection, query: &JobQuery) -> Result<JobPage, StoreError> {
    if query.open == Some(true) {
        open_ones(connection, query)
    } else {
        any(connection, query)
    }
}

/// Open jobs are few, and an index names them.
fn open_ones(connection: &Connection, query: &JobQuery) -> Result<JobPage, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id FROM job INDEXED BY job_open
         WHERE ended_at IS NULL AND id < ?1
             AND (?2 IS NULL OR subject = ?2) AND (?3 IS NULL OR task = ?3)
         ORDER BY id DESC LIMIT ?4",
    )?;
    let before = query.before.map_or(BEYOND, |id| *id.as_bytes());
    let limit = query.limit.max(1);
    // One more than asked for tells whether there is another page.
    let bounds = params![
        before,
        query.subject,
        query.task,
        integer(limit.saturating_add(1))
    ];
    let mut rows = statement.query(bounds)?;
    let mut page = JobPage::default();
    while let Some(row) = rows.next()? {
        if page.jobs.len() == limit {
            page.next = page.jobs.last().map(|last| last.job.id);
            break;
        }
        let known = job_rows::find(connection, job_id(row, 0)?)?;
        page.jobs.extend(known.map(|known| known.job));
    }
    Ok(page)
}

/// All others are looked through, so many at a time.
fn any(connection: &Connection, query: &JobQuery) -> Result<JobPage, StoreError> {
    let sql = select_jobs!("WHERE id < ?1 ORDER BY id DESC LIMIT ?2");
    let mut statement = connection.prepare_cached(sql)?;
    let before = query.before.map_or(BEYOND, |id| *id.as_bytes());
    let mut rows = statement.query(params![before, integer(ROWS + 1)])?;
    let mut page = JobPage::default();
    let mut looked_at = None;
    let mut left = ROWS;
    while let Some(row) = rows.next()? {
        if left == 0 || page.jobs.len() == query.limit.max(1) {
            page.next = looked_at;
            break;
        }
        left -= 1;
        looked_at = Some(job_id(row, 0)?);
        if matches(row, query)? {
            page.jobs.push(job_rows::with_leases(connection, row)?);
        }
    }
    Ok(page)
}

fn matches(row: &Row<'_>, query: &JobQuery) -> Result<bool, StoreError> {
    let is_open = row.get::<_, Option<i64>>(1)?.is_none();
    let subject = text(row, 4)?;
    let task = optional_text(row, 6)?;
    Ok(query.open.is_none_or(|open| open == is_open)
        && query
            .subject
            .as_deref()
            .is_none_or(|wanted| wanted == subject)
        && query
            .task
            .as_deref()
            .is_none_or(|wanted| Some(wanted) == task))
}
