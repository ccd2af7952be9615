//! What operators may read.

use taskpass_proto::ids::JobId;
use taskpass_proto::refusal::Refusal;

use super::Operations;
use crate::domain::audit::{Record, Recorded};
use crate::domain::change::JobWithLeases;
use crate::ports::store::StoreError;
use crate::ports::store::audit::{AuditPage, AuditQuery, RecordKey};
use crate::ports::store::jobs::{JobPage, JobQuery};
use crate::ports::store::policies::KeptPolicy;
use crate::ports::store::tree::Entry;

impl Operations {
    /// Lists jobs, newest first.
    pub fn list_jobs(&self, query: &JobQuery) -> Result<JobPage, Refusal> {
        self.store
            .list_jobs(query)
            .map_err(|error| self.store_failed(&error))
    }

    /// Reads a job and its leases.
    pub fn job(&self, id: JobId) -> Result<Option<JobWithLeases>, Refusal> {
        self.store
            .job(id)
            .map_err(|error| self.store_failed(&error))
    }

    /// Reads the audit log.
    pub fn audit(&self, query: &AuditQuery) -> Result<AuditPage, Refusal> {
        self.store
            .records(query)
            .map_err(|error| self.store_failed(&error))
    }

    /// Reads one audit record.
    pub fn audit_record(&self, key: &RecordKey) -> Result<Option<Recorded>, Refusal> {
        self.store
            .record(key)
            .map_err(|error| self.store_failed(&error))
    }

    /// Reads the sources of a policy that was in force at some time.
    pub fn kept_policy(&self, hash: &str) -> Result<Option<KeptPolicy>, Refusal> {
        self.store
            .policy(hash)
            .map_err(|error| self.store_failed(&error))
    }

    /// Reads audit records as they are hashed, after a number.
    pub fn audit_entries(&self, after: u64, limit: usize) -> Result<Vec<Entry>, Refusal> {
        self.store
            .entries(after, limit)
            .map_err(|error| self.store_failed(&error))
    }

    /// Appends an audit record that belongs to no other change.
    pub async fn append(&self, record: Record) -> Result<(), StoreError> {
        self.store.append(vec![record]).await
    }
}
