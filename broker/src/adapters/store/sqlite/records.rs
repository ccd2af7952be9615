//! The audit log, as the port has it.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, Row, ToSql};
use taskpass_proto::ids::JobId;
use tokio::sync::oneshot;

use super::SqliteStore;
use super::errors::corrupt;
use super::writer::{Command, InTransaction};
use crate::domain::audit::{Record, Recorded};
use crate::ports::store::StoreError;
use crate::ports::store::audit::{AuditPage, AuditQuery, AuditStore, RecordKey};

struct Append {
    records: Vec<Record>,
    done: oneshot::Sender<Result<(), StoreError>>,
}

impl Command for Append {
    fn apply(&mut self, transaction: &mut InTransaction<'_>) -> rusqlite::Result<()> {
        transaction.append(&self.records)
    }

    fn finish(self: Box<Self>, outcome: Result<(), StoreError>) {
        let _ = self.done.send(outcome);
    }
}

#[async_trait]
impl AuditStore for SqliteStore {
    async fn append(&self, records: Vec<Record>) -> Result<(), StoreError> {
        self.writer.write(|done| Append { records, done }).await
    }

    fn records(&self, query: &AuditQuery) -> Result<AuditPage, StoreError> {
        // A job that is no job's id has no record.
        let job = match query.job.as_deref().map(str::parse::<JobId>).transpose() {
            Ok(job) => job.map(|job| job.as_bytes().to_vec()),
            Err(_) => return Ok(AuditPage::default()),
        };
        let direction = if query.newest_first {
            "number < ?1 ORDER BY number DESC"
        } else {
            "number > ?1 ORDER BY number"
        };
        let position = match (query.newest_first, query.position) {
            (true, 0) => i64::MAX,
            (_, position) => i64::try_from(position).unwrap_or(i64::MAX),
        };
        let by_job = if job.is_some() { "job = ?2 AND " } else { "" };
        let sql = format!("SELECT number, leaf, details FROM audit WHERE {by_job}{direction}");
        let mut bound: Vec<&dyn ToSql> = vec![&position];
        bound.extend(job.iter().map(|job| job as &dyn ToSql));
        self.readers.read(|connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let mut rows = statement.query(bound.as_slice())?;
            let mut page = AuditPage::default();
            while let Some(row) = rows.next()? {
                let record = recorded(row)?;
                if !matches(&record, query) {
                    continue;
                }
                if page.records.len() == query.limit {
                    page.next = page.records.last().map(|last| last.number);
                    break;
                }
                page.records.push(record);
            }
            Ok(page)
        })
    }

    fn record(&self, key: &RecordKey) -> Result<Option<Recorded>, StoreError> {
        let (condition, value): (&str, Box<dyn ToSql>) = match key {
            RecordKey::Number(number) => (
                "number = ?1",
                Box::new(i64::try_from(*number).unwrap_or(i64::MAX)),
            ),
            RecordKey::Decision(id) => (
                "decision = ?1 ORDER BY number LIMIT 1",
                Box::new(id.clone()),
            ),
        };
        let sql = format!("SELECT number, leaf, details FROM audit WHERE {condition}");
        self.readers.read(|connection| {
            connection
                .prepare_cached(&sql)?
                .query_row([value], recorded)
                .optional()
        })
    }
}

fn recorded(row: &Row<'_>) -> rusqlite::Result<Recorded> {
    let number: i64 = row.get(0)?;
    let leaf = serde_json::from_str(row.get_ref(1)?.as_str()?).map_err(|_| corrupt("a leaf"))?;
    let details = row
        .get_ref(2)?
        .as_str_or_null()?
        .map(serde_json::from_str)
        .transpose();
    let details = details.map_err(|_| corrupt("a record's details"))?;
    Ok(Recorded {
        number: u64::try_from(number).unwrap_or_default(),
        leaf,
        details,
    })
}

fn matches(record: &Recorded, query: &AuditQuery) -> bool {
    let subject = query
        .subject
        .as_ref()
        .is_none_or(|s| record.leaf.subject.as_ref() == Some(s));
    let event = query
        .event
        .as_ref()
        .is_none_or(|event| record.leaf.event.as_str() == event);
    subject && event
}
