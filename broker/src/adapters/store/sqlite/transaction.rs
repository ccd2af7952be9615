//! A transaction under way, and what the writer knows besides the tables.

use rusqlite::Connection;
use taskpass_identity::SpiffeId;
use taskpass_proto::task_name::TaskName;

use super::audit_log::{self, Numbers};
use super::live_jobs::{LiveJobs, Step};
use super::revocations;
use crate::domain::audit::Record;
use crate::domain::job::Job;
use crate::domain::revocation::Revocation;
use crate::ports::random::Random;
use crate::ports::store::StoreError;

/// What the writer keeps in memory. It follows the tables exactly, through failed transactions too.
pub(super) struct Memory {
    pub(super) live: LiveJobs,
    numbers: Numbers,
    revocations: revocations::Numbers,
}

/// A transaction under way.
pub(super) struct Transaction<'a> {
    pub(super) connection: &'a Connection,
    memory: &'a mut Memory,
    random: &'a dyn Random,
}

impl Memory {
    /// Reads it from the tables, once, when the store is opened.
    pub(super) fn read(connection: &Connection) -> Result<Self, StoreError> {
        Ok(Self {
            live: LiveJobs::count(connection)?,
            numbers: Numbers::read(connection)?,
            revocations: revocations::Numbers::read(connection)?,
        })
    }

    /// The number of the last record that is committed.
    pub(super) fn last_record(&self) -> u64 {
        self.numbers.committed()
    }

    /// The transaction was committed.
    pub(super) fn commit(&mut self) {
        self.live.commit();
        self.numbers.commit();
        self.revocations.commit();
    }

    /// The transaction came to nothing.
    pub(super) fn roll_back(&mut self) {
        self.live.roll_back();
        self.numbers.roll_back();
        self.revocations.roll_back();
    }

    /// The newest number of the feed of revocations.
    pub(super) fn newest_revocation(&self) -> u64 {
        self.revocations.newest()
    }
}

impl<'a> Transaction<'a> {
    pub(super) fn new(
        connection: &'a Connection,
        memory: &'a mut Memory,
        random: &'a dyn Random,
    ) -> Self {
        Self {
            connection,
            memory,
            random,
        }
    }

    /// How many jobs of a workload and task are open now.
    pub(super) fn live_jobs(&self, subject: &SpiffeId, task: &TaskName) -> u32 {
        self.memory.live.of(subject, task)
    }

    /// Counts a job that becomes another, or appears, or disappears.
    pub(super) fn count(&mut self, before: Option<&Job>, after: Option<&Job>) {
        for (job, step) in [(before, Step::Ended), (after, Step::Opened)] {
            if let Some((job, opening)) = job.and_then(|job| Some((job, job.as_open()?))) {
                self.memory
                    .live
                    .add(&job.owner.subject, &opening.task, step);
            }
        }
    }

    /// Puts a record where a number is missing in the audit log.
    pub(super) fn append_as(&mut self, number: u64, record: &Record) -> Result<(), StoreError> {
        audit_log::insert(self.connection, number, (record, None), self.random)
    }

    /// Appends to the audit log.
    pub(super) fn append(&mut self, records: &[Record]) -> Result<(), StoreError> {
        let numbers = &mut self.memory.numbers;
        records
            .iter()
            .try_fold(None, |decision, record| {
                numbers.append(self.connection, record, decision, self.random)?;
                Ok(record.decision.as_deref())
            })
            .map(drop)
    }

    /// Appends to the feed of revocations.
    pub(super) fn revoke(&mut self, revocations: &[Revocation]) -> Result<(), StoreError> {
        let numbers = &mut self.memory.revocations;
        revocations
            .iter()
            .try_for_each(|revocation| numbers.append(self.connection, revocation))
    }
}
