//! How many connections are open, and whose they are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts connections; nobody gets all of the places.
#[derive(Debug)]
pub struct Places {
    most: usize,
    most_of_one_user: usize,
    by_uid: Mutex<HashMap<u32, usize>>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    uid: u32,
}

impl Places {
    /// This many places, of which one user gets three quarters at most.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            most_of_one_user: (most * 3 / 4).max(1),
            by_uid: Mutex::default(),
        }
    }

    /// Takes a place for a user, if there is one.
    pub fn take(places: &Arc<Self>, uid: u32) -> Option<Place> {
        let mut by_uid = places.by_uid.lock().unwrap_or_else(PoisonError::into_inner);
        let taken: usize = by_uid.values().sum();
        let own = by_uid.get(&uid).copied().unwrap_or_default();
        if taken >= places.most || own >= places.most_of_one_user {
            return None;
        }
        by_uid.insert(uid, own + 1);
        Some(Place {
            places: Arc::clone(places),
            uid,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut by_uid = self
            .places
            .by_uid
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match by_uid.get_mut(&self.uid) {
            Some(own @ 2..) => *own -= 1,
            Some(_) | None => drop(by_uid.remove(&self.uid)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_user_gets_all_the_places() {
        let places = Arc::new(Places::new(4));
        let mut of_one: Vec<_> = (0..3).map(|_| Places::take(&places, 1).unwrap()).collect();
        assert!(Places::take(&places, 1).is_none());
        let other = Places::take(&places, 2).unwrap();
        assert!(Places::take(&places, 3).is_none());
        of_one.pop();
        assert!(Places::take(&places, 3).is_some());
        drop((of_one, other));
        assert!(places.by_uid.lock().unwrap().is_empty());
    }
}
