//! What a session announces: the live jobs of one identity, and those opened since the last message.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use taskpass_proto::ids::JobId;

/// The live jobs of one identity. The jobs' task writes, the session reads.
#[derive(Debug, Default)]
pub struct LiveJobs(Mutex<Announced>);

#[derive(Debug, Default)]
struct Announced {
    live: BTreeSet<JobId>,
    opened: Vec<JobId>,
    ended: Vec<JobId>,
}

impl LiveJobs {
    /// A job is about to be opened, or was taken up again.
    pub fn insert(&self, job: JobId) {
        let mut announced = self.lock();
        announced.live.insert(job);
        announced.opened.push(job);
    }

    /// A job is over.
    pub fn remove(&self, job: JobId) {
        let mut announced = self.lock();
        announced.live.remove(&job);
        announced.ended.push(job);
    }

    /// Every live job, for a greeting. What is in it need not be announced again.
    pub fn greeting(&self) -> Vec<JobId> {
        let mut announced = self.lock();
        announced.opened.clear();
        announced.ended.clear();
        announced.live.iter().copied().collect()
    }

    /// What was opened and ended since the last message.
    pub fn take_changes(&self) -> (Vec<JobId>, Vec<JobId>) {
        let mut announced = self.lock();
        (
            std::mem::take(&mut announced.opened),
            std::mem::take(&mut announced.ended),
        )
    }

    fn lock(&self) -> MutexGuard<'_, Announced> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
