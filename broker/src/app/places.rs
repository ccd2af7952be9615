//! How many connections workloads have open, and which.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use taskpass_identity::SpiffeId;

/// Counts connections; no workload gets all of the places.
#[derive(Debug)]
pub struct Places {
    most: usize,
    most_of_one: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_id: HashMap<SpiffeId, usize>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    id: SpiffeId,
}

impl Places {
    /// This many places, of which one workload gets a quarter at most, however many replicas it has.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            most_of_one: (most / 4).max(1),
            taken: Mutex::default(),
        }
    }

    /// Takes a place for a workload, if there is one.
    pub fn take(places: &Arc<Self>, id: &SpiffeId) -> Option<Place> {
        let mut taken = places.taken.lock();
        let own = taken.by_id.get(id).copied().unwrap_or_default();
        if taken.all >= places.most || own >= places.most_of_one {
            return None;
        }
        taken.all += 1;
        taken.by_id.insert(id.clone(), own + 1);
        Some(Place {
            places: Arc::clone(places),
            id: id.clone(),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock();
        taken.all = taken.all.saturating_sub(1);
        match taken.by_id.get_mut(&self.id) {
            Some(own @ 2..) => *own -= 1,
            Some(_) | None => drop(taken.by_id.remove(&self.id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_workload_leaves_places_for_the_others_and_gives_its_own_back() {
        let places = Arc::new(Places::new(8));
        let [greedy, other]: [SpiffeId; 2] =
            ["spiffe://acme.example/a", "spiffe://acme.example/b"].map(|id| id.parse().unwrap());
        let take = |id: &SpiffeId| Places::take(&places, id);
        let held = [take(&greedy), take(&greedy)];
        assert!(held.iter().all(Option::is_some));
        assert!(take(&greedy).is_none());
        assert!(take(&other).is_some());
        drop(held);
        assert!(take(&greedy).is_some());
        assert_eq!(places.taken.lock().all, 0);
        assert!(places.taken.lock().by_id.is_empty());
    }

    #[test]
    fn there_are_no_more_places_than_there_are() {
        let places = Arc::new(Places::new(8));
        let held: Vec<_> = (0..20)
            .filter_map(|n| {
                let id = format!("spiffe://acme.example/{n}").parse().unwrap();
                Places::take(&places, &id)
            })
            .collect();
        assert_eq!(held.len(), 8);
    }
}
