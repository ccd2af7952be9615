//! How many jobs of each workload and task are open: exact, and in memory.

use std::collections::HashMap;

use rusqlite::Connection;
use taskpass_identity::SpiffeId;
use taskpass_proto::task_name::TaskName;

use super::columns::parse;
use crate::ports::store::StoreError;

/// The counts, and how to take back what is not committed yet.
#[derive(Debug, Default)]
pub(super) struct LiveJobs {
    counts: HashMap<SpiffeId, HashMap<TaskName, u32>>,
    total: u64,
    uncommitted: Vec<(SpiffeId, TaskName, Step)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Opened,
    Ended,
}

impl LiveJobs {
    /// Counts once, when the store is opened: one pass over the index of open jobs.
    pub(super) fn count(connection: &Connection) -> Result<Self, StoreError> {
        let mut live = Self::default();
        let mut statement = connection.prepare(
            "SELECT subject, task, count(*) FROM job INDEXED BY job_open
             WHERE ended_at IS NULL GROUP BY subject, task",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let subject = parse(row, 0, "a workload's SPIFFE ID")?;
            let task = parse(row, 1, "a task's name")?;
            let count: u32 = row.get(2)?;
            live.total += u64::from(count);
            live.counts.entry(subject).or_default().insert(task, count);
        }
        Ok(live)
    }

    /// How many there are, the transaction under way included.
    pub(super) fn of(&self, subject: &SpiffeId, task: &TaskName) -> u32 {
        let tasks = self.counts.get(subject);
        tasks.and_then(|t| t.get(task)).copied().unwrap_or(0)
    }

    /// How many there are of all workloads and tasks.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// A job was opened or ended in the transaction under way.
    pub(super) fn add(&mut self, subject: &SpiffeId, task: &TaskName, step: Step) {
        self.apply(subject, task, step);
        self.uncommitted.push((subject.clone(), task.clone(), step));
    }

    /// The transaction was committed.
    pub(super) fn commit(&mut self) {
        self.uncommitted.clear();
    }

    /// The transaction came to nothing.
    pub(super) fn roll_back(&mut self) {
        for (subject, task, step) in std::mem::take(&mut self.uncommitted).into_iter().rev() {
            self.apply(&subject, &task, step.reversed());
        }
    }

    fn apply(&mut self, subject: &SpiffeId, task: &TaskName, step: Step) {
        let tasks = self.counts.entry(subject.clone()).or_default();
        let count = tasks.entry(task.clone()).or_default();
        match step {
            Step::Opened => {
                *count += 1;
                self.total += 1;
            }
            Step::Ended => {
                *count = count.saturating_sub(1);
                self.total = self.total.saturating_sub(1);
            }
        }
        if *count == 0 {
            tasks.remove(task);
        }
        if tasks.is_empty() {
            self.counts.remove(subject);
        }
    }
}

impl Step {
    fn reversed(self) -> Self {
        match self {
            Self::Opened => Self::Ended,
            Self::Ended => Self::Opened,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_back_what_was_not_committed() {
        let subject: SpiffeId = "spiffe://acme.example/a".parse().unwrap();
        let [docs, site]: [TaskName; 2] = ["docs", "site"].map(|name| name.parse().unwrap());
        let mut live = LiveJobs::default();
        live.add(&subject, &docs, Step::Opened);
        live.add(&subject, &docs, Step::Opened);
        live.commit();
        live.add(&subject, &docs, Step::Ended);
        live.add(&subject, &docs, Step::Ended);
        live.add(&subject, &site, Step::Opened);
        assert_eq!((live.of(&subject, &docs), live.of(&subject, &site)), (0, 1));
        live.roll_back();
        assert_eq!((live.of(&subject, &docs), live.of(&subject, &site)), (2, 0));
        assert_eq!(live.total(), 2);
        live.roll_back();
        assert_eq!(live.total(), 2, "what was committed stays");
    }

    #[test]
    fn keeps_nothing_of_a_workload_without_jobs() {
        let subject: SpiffeId = "spiffe://acme.example/a".parse().unwrap();
        let task: TaskName = "docs".parse().unwrap();
        let mut live = LiveJobs::default();
        live.add(&subject, &task, Step::Opened);
        live.add(&subject, &task, Step::Ended);
        live.commit();
        assert!(live.counts.is_empty());
    }
}
