//! How many jobs of each workload and task are open: exact, and in memory.

use std::collections::HashMap;

use rusqlite::Connection;
use taskpass_identity::SpiffeId;
use taskpass_proto::task_name::TaskName;

use super::errors::corrupt;

type Key = (SpiffeId, TaskName);

/// What is committed.
#[derive(Debug, Default)]
pub(super) struct LiveJobs(HashMap<Key, u32>);

/// What the transaction under way adds and takes away.
#[derive(Debug, Default)]
pub(super) struct Deltas(HashMap<Key, i64>);

impl LiveJobs {
    /// Counts once, when the store is opened: one pass over the index of open jobs.
    pub(super) fn count(connection: &Connection) -> rusqlite::Result<Self> {
        let mut counts = HashMap::new();
        let mut statement = connection.prepare(
            "SELECT subject, task, count(*) FROM job INDEXED BY open_job
             WHERE ended_at IS NULL AND task IS NOT NULL GROUP BY subject, task",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let subject: String = row.get(0)?;
            let task: String = row.get(1)?;
            let subject = subject
                .parse()
                .map_err(|_| corrupt("a workload's SPIFFE ID"))?;
            let task = task.parse().map_err(|_| corrupt("a task's name"))?;
            counts.insert((subject, task), row.get(2)?);
        }
        Ok(Self(counts))
    }

    /// How many there are, the transaction under way included.
    pub(super) fn of(&self, deltas: &Deltas, subject: &SpiffeId, task: &TaskName) -> u32 {
        let key = (subject.clone(), task.clone());
        let committed = i64::from(self.0.get(&key).copied().unwrap_or(0));
        let delta = deltas.0.get(&key).copied().unwrap_or(0);
        u32::try_from(committed + delta).unwrap_or(0)
    }

    /// The transaction was committed.
    pub(super) fn commit(&mut self, deltas: Deltas) {
        for (key, delta) in deltas.0 {
            let committed = i64::from(self.0.get(&key).copied().unwrap_or(0));
            match u32::try_from(committed + delta) {
                Ok(0) | Err(_) => drop(self.0.remove(&key)),
                Ok(count) => drop(self.0.insert(key, count)),
            }
        }
    }
}

impl Deltas {
    pub(super) fn add(&mut self, subject: &SpiffeId, task: &TaskName, delta: i64) {
        *self.0.entry((subject.clone(), task.clone())).or_default() += delta;
    }
}
