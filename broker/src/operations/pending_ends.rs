//! Ends of jobs that are in effect and not durable yet, because the store is failing.

use std::collections::HashMap;

use parking_lot::RwLock;
use taskpass_proto::ids::JobId;

use crate::domain::change::end::Ending;

/// Ends that are to be repeated until the store takes them.
#[derive(Debug, Default)]
pub struct PendingEnds {
    ends: RwLock<HashMap<JobId, Ending>>,
}

impl PendingEnds {
    /// Takes an end into effect at once.
    pub fn insert(&self, ending: Ending) {
        self.ends.write().entry(ending.id).or_insert(ending);
    }

    /// Whether a job has ended without being recorded as such.
    pub fn contains(&self, job: JobId) -> bool {
        let ends = self.ends.read();
        !ends.is_empty() && ends.contains_key(&job)
    }

    /// The ends to repeat.
    pub fn waiting(&self) -> Vec<Ending> {
        self.ends.read().values().cloned().collect()
    }

    /// The store took it.
    pub fn remove(&self, job: JobId) {
        self.ends.write().remove(&job);
    }
}
