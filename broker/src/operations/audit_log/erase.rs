//! Erases details that are no longer wanted. Leaves stay, so every proof still holds.

use std::time::Duration;

use serde_json::{Value, json};

use super::AuditLog;
use crate::domain::audit::{Event, Record};
use crate::domain::time::UnixMillis;
use crate::ports::store::StoreError;
use crate::ports::store::audit::{AuditQuery, RecordKey};

/// Records of one transaction: few enough that nobody waits long for the writer.
const AT_ONCE: u64 = 256;

/// Whose details go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Erasure {
    /// Of these records.
    Records(Vec<u64>),
    /// Of every record of a job.
    Job(String),
    /// Of every record from before this time.
    Before(UnixMillis),
}

/// Who wants it, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasureOrder {
    /// Who.
    pub by: String,
    /// Why, in their words.
    pub note: String,
}

impl AuditLog {
    /// Erases, and records it. Answers how many records lost their details.
    pub async fn erase(&self, erasure: Erasure, order: &ErasureOrder) -> Result<u64, StoreError> {
        match erasure {
            Erasure::Records(numbers) => self.erase_records(numbers, order).await,
            Erasure::Job(job) => {
                let numbers = self.numbers_of(&job)?;
                self.erase_records(numbers, order).await
            }
            Erasure::Before(time) => {
                let end = self.first_since(time)?;
                self.erase_range(1, end, order).await
            }
        }
    }

    /// Erases what is older than `age`, from record `from` on. Answers where to go on next time.
    pub async fn retain(&self, age: Duration, from: u64) -> Result<u64, StoreError> {
        let end = self.first_since(self.clock.now().minus(age))?;
        let order = ErasureOrder {
            by: "broker".to_owned(),
            note: "retention".to_owned(),
        };
        let erased = self.erase_range(from.max(1), end, &order).await?;
        if erased > 0 {
            tracing::info!(audit.erased = erased, "details were erased by retention");
        }
        Ok(end.max(from))
    }

    async fn erase_range(
        &self,
        first: u64,
        end: u64,
        order: &ErasureOrder,
    ) -> Result<u64, StoreError> {
        let mut erased = 0;
        let mut at = first;
        while at < end {
            let next = end.min(at + AT_ONCE);
            let about = json!({ "first": at, "last": next - 1 });
            let record = self.erasure(order, &about);
            erased += self.store.erase((at..next).collect(), record).await?;
            at = next;
        }
        Ok(erased)
    }

    async fn erase_records(
        &self,
        numbers: Vec<u64>,
        order: &ErasureOrder,
    ) -> Result<u64, StoreError> {
        let mut erased = 0;
        let at_once = usize::try_from(AT_ONCE).unwrap_or(1);
        for numbers in numbers.chunks(at_once) {
            let record = self.erasure(order, &json!({ "numbers": numbers }));
            erased += self.store.erase(numbers.to_vec(), record).await?;
        }
        Ok(erased)
    }

    fn erasure(&self, order: &ErasureOrder, records: &Value) -> Record {
        Record {
            details: json!({ "by": order.by, "note": order.note, "records": records }),
            ..Record::new(Event::DetailsErased, self.clock.now())
        }
    }

    fn numbers_of(&self, job: &str) -> Result<Vec<u64>, StoreError> {
        let mut numbers = Vec::new();
        let mut query = AuditQuery {
            job: Some(job.to_owned()),
            limit: usize::MAX,
            ..AuditQuery::default()
        };
        loop {
            let page = self.store.records(&query)?;
            numbers.extend(page.records.iter().map(|record| record.number));
            match page.next {
                Some(next) => query.position = next,
                None => return Ok(numbers),
            }
        }
    }

    /// The first record since a time. Numbers grow with time, but for a step of the clock.
    fn first_since(&self, time: UnixMillis) -> Result<u64, StoreError> {
        let (mut low, mut high) = (1, self.last_entry()? + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            let record = self.store.record(&RecordKey::Number(middle))?;
            if record.is_some_and(|record| record.leaf.at < time) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }
}
