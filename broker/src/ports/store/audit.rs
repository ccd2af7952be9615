//! The audit log.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::audit::{Record, Recorded};

/// Holds the audit log. Records of jobs and leases come with their changes; this is for all others.
#[async_trait]
pub trait AuditStore: Send + Sync {
    /// Appends records that belong to no other change, in this order.
    async fn append(&self, records: Vec<Record>) -> Result<(), StoreError>;

    /// Reads records in the order of their numbers, or against it.
    fn records(&self, query: &AuditQuery) -> Result<AuditPage, StoreError>;

    /// Reads one record.
    fn record(&self, key: &RecordKey) -> Result<Option<Recorded>, StoreError>;
}

/// What to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// After this number; with `newest_first`, before it (0: from the end).
    pub position: u64,
    /// Against the order of numbers.
    pub newest_first: bool,
    /// At most this many.
    pub limit: usize,
    /// Of this workload only.
    pub subject: Option<String>,
    /// Of this job only.
    pub job: Option<String>,
    /// Of this event only.
    pub event: Option<String>,
}

/// A page of records.
///
/// It ends at the limit, or when enough was looked through: it may be short, even empty, and still name where
/// to go on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AuditPage {
    /// The records.
    pub records: Vec<Recorded>,
    /// Where to go on; none at the end.
    pub next: Option<u64>,
}

/// Names one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordKey {
    /// By its number.
    Number(u64),
    /// The first one with this decision.
    Decision(String),
}
