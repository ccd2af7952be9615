//! The audit log, as the port has it.

use async_trait::async_trait;
use rusqlite::{Connection, Row, params};
use taskpass_proto::ids::JobId;

use super::SqliteStore;
use super::columns::{integer, number, one, optional_text, text};
use super::errors::corrupt;
use super::transaction::Transaction;
use crate::domain::audit::{Leaf, Record, Recorded};
use crate::ports::store::StoreError;
use crate::ports::store::audit::{AuditPage, AuditQuery, AuditStore, RecordKey};

/// Rows that one page looks at, at most: a few milliseconds.
const ROWS: usize = 2_000;

#[async_trait]
impl AuditStore for SqliteStore {
    async fn append(&self, records: Vec<Record>) -> Result<(), StoreError> {
        let work = move |t: &mut Transaction<'_>| t.append(&records);
        self.writer.write(work).await
    }

    fn records(&self, query: &AuditQuery) -> Result<AuditPage, StoreError> {
        let job = query.job.as_deref().map(str::parse::<JobId>).transpose();
        match job {
            Ok(job) => self.readers.read(|c| page(c, query, job)),
            // What is no job's id has no record.
            Err(_) => Ok(AuditPage::default()),
        }
    }

    fn record(&self, key: &RecordKey) -> Result<Option<Recorded>, StoreError> {
        self.readers.read(|c| match key {
            RecordKey::Number(number) => {
                let sql = "SELECT number, leaf, details FROM audit WHERE number = ?1";
                one(c, sql, [integer(*number)], recorded)
            }
            RecordKey::Decision(decision) => {
                let sql = "SELECT number, leaf, details FROM audit INDEXED BY audit_decision
                           WHERE decision = ?1 ORDER BY number LIMIT 1";
                one(c, sql, [decision], recorded)
            }
        })
    }
}

/// Looks through the log, or through what an index says of a job, so many rows at a time.
fn page(
    connection: &Connection,
    query: &AuditQuery,
    job: Option<JobId>,
) -> Result<AuditPage, StoreError> {
    let sql = match (job.is_some(), query.newest_first) {
        (false, false) => {
            "SELECT number, leaf, details FROM audit
             WHERE ?1 IS NULL AND number > ?2 ORDER BY number LIMIT ?3"
        }
        (false, true) => {
            "SELECT number, leaf, details FROM audit
             WHERE ?1 IS NULL AND number < ?2 ORDER BY number DESC LIMIT ?3"
        }
        (true, false) => {
            "SELECT number, leaf, details FROM audit INDEXED BY audit_job
             WHERE job = ?1 AND number > ?2 ORDER BY number LIMIT ?3"
        }
        (true, true) => {
            "SELECT number, leaf, details FROM audit INDEXED BY audit_job
             WHERE job = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3"
        }
    };
    let position = match (query.newest_first, query.position) {
        (true, 0) => i64::MAX,
        (_, position) => integer(position),
    };
    let job = job.as_ref().map(|job| job.as_bytes().as_slice());
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![job, position, integer(ROWS + 1)])?;
    let mut page = AuditPage::default();
    let mut looked_at = None;
    let mut left = ROWS;
    while let Some(row) = rows.next()? {
        if left == 0 || page.records.len() == query.limit.max(1) {
            page.next = looked_at;
            break;
        }
        left -= 1;
        looked_at = Some(number(row, 0)?);
        let leaf = leaf(row)?;
        if matches(&leaf, query) {
            page.records.push(with_details(row, leaf)?);
        }
    }
    Ok(page)
}

fn matches(leaf: &Leaf, query: &AuditQuery) -> bool {
    let subject = query.subject.as_deref();
    let event = query.event.as_deref();
    subject.is_none_or(|wanted| leaf.subject.as_deref() == Some(wanted))
        && event.is_none_or(|wanted| leaf.event.as_str() == wanted)
}

fn recorded(row: &Row<'_>) -> Result<Recorded, StoreError> {
    let leaf = leaf(row)?;
    with_details(row, leaf)
}

fn leaf(row: &Row<'_>) -> Result<Leaf, StoreError> {
    serde_json::from_str(text(row, 1)?).map_err(|_| corrupt("an audit leaf"))
}

fn with_details(row: &Row<'_>, leaf: Leaf) -> Result<Recorded, StoreError> {
    let details = optional_text(row, 2)?.map(serde_json::from_str).transpose();
    Ok(Recorded {
        number: number(row, 0)?,
        leaf,
        details: details.map_err(|_| corrupt("the details of an audit record"))?,
    })
}
