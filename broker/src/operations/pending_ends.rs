//! Ends of jobs that are in effect and not durable yet, because the store is failing.

use std::collections::HashMap;

use parking_lot::RwLock;
use taskpass_proto::ids::JobId;
use tokio::sync::watch;

use crate::domain::change::end::Ending;
use crate::domain::revocation::Revocation;

/// Ends that are to be repeated until the store takes them.
#[derive(Debug, Default)]
pub struct PendingEnds {
    ends: RwLock<HashMap<JobId, Pending>>,
    /// How many there have been: raised with each, after it is in effect.
    count: watch::Sender<u64>,
}

#[derive(Debug)]
struct Pending {
    ending: Ending,
    revocations: Vec<Revocation>,
    place: u64,
}

impl PendingEnds {
    /// Takes an end into effect at once, with what verifiers are to be told of it.
    pub fn insert(&self, ending: Ending, revocations: Vec<Revocation>) {
        let mut ends = self.ends.write();
        if ends.contains_key(&ending.id) {
            return;
        }
        let place = self.count.borrow().saturating_add(1);
        let pending = Pending {
            ending,
            revocations,
            place,
        };
        ends.insert(pending.ending.id, pending);
        self.count.send_replace(place);
    }

    /// Whether a job has ended without being recorded as such.
    pub fn contains(&self, job: JobId) -> bool {
        let ends = self.ends.read();
        !ends.is_empty() && ends.contains_key(&job)
    }

    /// The ends to repeat.
    pub fn waiting(&self) -> Vec<Ending> {
        let ends = self.ends.read();
        ends.values()
            .map(|pending| pending.ending.clone())
            .collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.read().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.read().is_empty()
    }

    /// The store took it.
    pub fn remove(&self, job: JobId) {
        self.ends.write().remove(&job);
    }

    /// How many there have been, as it grows.
    pub fn count(&self) -> watch::Receiver<u64> {
        self.count.subscribe()
    }

    /// What verifiers are to be told of the ends that came after so many and still wait.
    pub fn revocations_after(&self, count: u64) -> Vec<Revocation> {
        let ends = self.ends.read();
        let later = ends.values().filter(|pending| pending.place > count);
        later
            .flat_map(|pending| pending.revocations.clone())
            .collect()
    }
}
