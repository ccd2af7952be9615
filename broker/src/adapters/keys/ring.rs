//! The keys as they stand in memory: one chain for each algorithm.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::signing_key::SigningKey;
use crate::domain::key_schedule::change::KeyChange;
use crate::domain::key_schedule::{KeySchedule, KeyTimes};
use crate::domain::time::UnixMillis;
use crate::domain::token_form::{Algorithm, Shape};

/// Every key, found by algorithm and by the headers that it writes.
#[derive(Default, Clone)]
pub(super) struct Ring {
    chains: BTreeMap<Algorithm, Chain>,
    by_header: HashMap<String, (Algorithm, usize)>,
}

/// The keys of one algorithm, in the order in which they were made.
#[derive(Default, Clone)]
pub(super) struct Chain {
    pub(super) keys: Vec<Arc<SigningKey>>,
    pub(super) times: Vec<KeyTimes>,
}

impl Ring {
    /// The keys of an algorithm.
    pub(super) fn chain(&self, algorithm: Algorithm) -> Option<&Chain> {
        self.chains.get(&algorithm)
    }

    /// The keys of each algorithm.
    pub(super) fn chains(&self) -> impl Iterator<Item = (Algorithm, &Chain)> {
        self.chains
            .iter()
            .map(|(algorithm, chain)| (*algorithm, chain))
    }

    /// The times of an algorithm's keys.
    pub(super) fn times(&self, algorithm: Algorithm) -> &[KeyTimes] {
        self.chain(algorithm).map_or(&[], |chain| &chain.times)
    }

    /// Whether there is no key at all.
    pub(super) fn is_empty(&self) -> bool {
        self.chains.is_empty()
    }

    /// The key of this id, by algorithm and position.
    pub(super) fn find(&self, kid: &str) -> Option<(Algorithm, usize)> {
        self.chains().find_map(|(algorithm, chain)| {
            let at = chain
                .keys
                .iter()
                .position(|key| key.public().kid() == kid)?;
            Some((algorithm, at))
        })
    }

    /// The key that wrote a header, while it is published.
    pub(super) fn published(
        &self,
        header: &str,
        schedule: &KeySchedule,
        now: UnixMillis,
    ) -> Option<&SigningKey> {
        // INVARIANT: a header is compared whole with the only ones that each key writes; nothing that a
        // token says of itself (`alg`, `jku`, `crit` …) is ever interpreted.
        let (algorithm, at) = *self.by_header.get(header)?;
        let chain = self.chain(algorithm)?;
        let is_published = schedule.is_published(&chain.times, at, now);
        chain
            .keys
            .get(at)
            .filter(|_| is_published)
            .map(|key| &**key)
    }

    /// Adds a key.
    pub(super) fn add(&mut self, key: SigningKey, times: KeyTimes) {
        let algorithm = key.public().algorithm();
        let chain = self.chains.entry(algorithm).or_default();
        chain.keys.push(Arc::new(key));
        chain.times.push(times);
        self.index();
    }

    /// The same ring after a change; the keys to add were made already.
    pub(super) fn changed(
        &self,
        algorithm: Algorithm,
        change: &KeyChange,
        made: Vec<SigningKey>,
    ) -> Self {
        let mut ring = self.clone();
        let chain = ring.chains.entry(algorithm).or_default();
        for (at, times) in &change.set {
            if let Some(entry) = chain.times.get_mut(*at) {
                *entry = *times;
            }
        }
        let stays = |at: &usize| !change.forget.contains(at);
        let added = made.into_iter().map(Arc::new);
        *chain = Chain {
            keys: kept(&chain.keys, stays).chain(added).collect(),
            times: kept(&chain.times, stays)
                .chain(change.add.iter().copied())
                .collect(),
        };
        ring.index();
        ring
    }

    fn index(&mut self) {
        let headers = self.chains.iter().flat_map(|(algorithm, chain)| {
            let keys = chain.keys.iter().enumerate();
            keys.flat_map(move |(at, key)| {
                Shape::ALL.map(|shape| (key.public().header(shape).to_owned(), (*algorithm, at)))
            })
        });
        self.by_header = headers.collect();
    }
}

fn kept<T: Clone>(items: &[T], stays: impl Fn(&usize) -> bool) -> impl Iterator<Item = T> {
    let items = items.iter().enumerate();
    items
        .filter(move |(at, _)| stays(at))
        .map(|(_, item)| item.clone())
}
