//! How signing keys follow one another: by time and by an operator's word, each change durable before it counts.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::key_set::{KeySet, KeySetError};
use super::signing_key::SigningKey;
use crate::adapters::random::SystemSource;
use crate::domain::audit::{Event, Record};
use crate::domain::key_schedule::change::{Audience, KeyChange, Patience, RetireRefused, Rotation};
use crate::domain::key_schedule::{KeySchedule, KeyState, KeyTimes};
use crate::domain::time::UnixMillis;
use crate::domain::token_form::Algorithm;
use crate::ports::key_desk::{KeyDesk, ListedKey, Order, OrderFailed, Retired, Rotated};
use crate::ports::store::keys::{SavedKeys, StoredKey};

/// A change with what the audit log says of it.
struct Intended {
    algorithm: Algorithm,
    change: KeyChange,
    event: Event,
    details: Value,
}

impl KeySet {
    /// Makes the keys that the schedule misses for these algorithms, and those in use before, and forgets old
    /// ones. Says how many were made.
    pub async fn keep_up(
        &self,
        wanted: &BTreeSet<Algorithm>,
        now: UnixMillis,
    ) -> Result<usize, KeySetError> {
        let _alone = self.changing.lock().await;
        let audience = if self.ring.load().is_empty() {
            Audience::Nobody
        } else {
            Audience::Verifiers
        };
        let mut made = 0;
        for algorithm in Algorithm::ALL {
            let ring = self.ring.load_full();
            let is_in_use = algorithm == Algorithm::default()
                || wanted.contains(&algorithm)
                || ring.chain(algorithm).is_some();
            if !is_in_use {
                continue;
            }
            let times = ring.times(algorithm);
            let add = self.schedule.missing(times, audience, now);
            made += add.len();
            let mut change = self.schedule.forgettable(times, now);
            change.add = add;
            self.perform(
                Intended {
                    algorithm,
                    change,
                    event: Event::KeyCreated,
                    details: json!({}),
                },
                now,
            )
            .await?;
        }
        Ok(made)
    }

    fn listed(&self, algorithm: Algorithm, at: usize, now: UnixMillis) -> Option<ListedKey> {
        let of_algorithm = |key: &ListedKey| key.algorithm == algorithm;
        self.list(now).into_iter().filter(of_algorithm).nth(at)
    }

    /// Makes the keys of a change, saves it with its records, and only then lets it count.
    async fn perform(&self, intended: Intended, now: UnixMillis) -> Result<(), KeySetError> {
        let Intended {
            algorithm, change, ..
        } = &intended;
        if change.is_empty() {
            return Ok(());
        }
        let made = self.make(*algorithm, &change.add, now).await?;
        let ring = self.ring.load_full();
        let stored = self.store.keys()?;
        let kid_at = |at: &usize| {
            let chain = ring.chain(*algorithm)?;
            chain.keys.get(*at).map(|key| key.public().kid().to_owned())
        };
        let with_times = |(at, times): &(usize, KeyTimes)| {
            let kid = kid_at(at)?;
            let stored = stored.iter().find(|stored| stored.kid == kid)?.clone();
            Some(StoredKey {
                times: *times,
                ..stored
            })
        };
        let (keys, added): (Vec<_>, Vec<StoredKey>) = made.into_iter().unzip();
        let change = KeyChange {
            add: added.iter().map(|key| key.times).collect(),
            ..change.clone()
        };
        let saved = SavedKeys {
            added,
            changed: change.set.iter().filter_map(with_times).collect(),
            forgotten: change.forget.iter().filter_map(kid_at).collect(),
        };
        let records = records(&intended, &saved, now);
        self.store.save_keys(saved, records).await?;
        let next = ring.changed(*algorithm, &change, keys);
        self.ring.store(Arc::new(next));
        Ok(())
    }

    /// Makes keys, away from the threads that serve: an RSA key takes a while.
    async fn make(
        &self,
        algorithm: Algorithm,
        times: &[KeyTimes],
        now: UnixMillis,
    ) -> Result<Vec<(SigningKey, StoredKey)>, KeySetError> {
        let started = tokio::time::Instant::now();
        let mut made = Vec::with_capacity(times.len());
        for times in times {
            let random: SystemSource = self.random.clone();
            let generate = move || SigningKey::generate(algorithm, &random);
            let (key, private) = tokio::task::spawn_blocking(generate)
                .await
                .unwrap_or(Err(super::signing_key::InvalidKey))?;
            let mut times = *times;
            // INVARIANT: a key is published when it is there, not when it was asked for; one that waits would
            // otherwise sign before verifiers know it for as long as they have to.
            if times.signs_from > now {
                times.published_at = times.published_at.plus(started.elapsed());
                times.signs_from = times.signs_from.plus(started.elapsed());
            }
            let stored = self.sealed(&key, &private, times)?;
            made.push((key, stored));
        }
        Ok(made)
    }
}

#[async_trait]
impl KeyDesk for KeySet {
    fn list(&self, now: UnixMillis) -> Vec<ListedKey> {
        let ring = self.ring.load();
        let listed = ring.chains().flat_map(|(algorithm, chain)| {
            let keys = chain.keys.iter().zip(&chain.times).enumerate();
            keys.map(move |(at, (key, times))| ListedKey {
                kid: key.public().kid().to_owned(),
                algorithm,
                state: self.schedule.state(&chain.times, at, now),
                times: *times,
                published_until: self.schedule.published_until(&chain.times, at),
            })
        });
        listed.collect()
    }

    async fn rotate(
        &self,
        algorithm: Algorithm,
        order: &Order,
        now: UnixMillis,
    ) -> Result<Rotated, OrderFailed> {
        let _alone = self.changing.lock().await;
        let ring = self.ring.load_full();
        let (next, is_under_way) =
            match self
                .schedule
                .rotate(ring.times(algorithm), order.patience, now)
            {
                Rotation::UnderWay(at) => (self.listed(algorithm, at, now), true),
                Rotation::Begins(change) => {
                    let is_new = !change.add.is_empty();
                    let moved = change.set.first().map(|(at, _)| *at);
                    self.perform(
                        Intended {
                            algorithm,
                            change,
                            event: Event::KeyRotated,
                            details: details(order),
                        },
                        now,
                    )
                    .await?;
                    let newest = self.ring.load().times(algorithm).len().checked_sub(1);
                    let at = if is_new { newest } else { moved };
                    (at.and_then(|at| self.listed(algorithm, at, now)), false)
                }
            };
        let next = next.ok_or_else(|| OrderFailed::Unknown(algorithm.to_string()))?;
        Ok(Rotated {
            known_from: self.schedule.known_from(&next.times),
            next,
            is_under_way,
        })
    }

    async fn retire(
        &self,
        kid: &str,
        order: &Order,
        now: UnixMillis,
    ) -> Result<Retired, OrderFailed> {
        let _alone = self.changing.lock().await;
        let ring = self.ring.load_full();
        let unknown = || OrderFailed::Unknown(kid.to_owned());
        let (algorithm, at) = ring.find(kid).ok_or_else(unknown)?;
        let times = ring.times(algorithm);
        let was_signing = self.schedule.state(times, at, now) == KeyState::Signing;
        let change = self.schedule.retire(times, at, order.patience, now);
        let change = change.map_err(|refused| match refused {
            RetireRefused::Over(state) => OrderFailed::Over {
                kid: kid.to_owned(),
                state,
            },
            RetireRefused::NextNotKnown { known_from } => OrderFailed::NextNotKnown { known_from },
        })?;
        self.perform(
            Intended {
                algorithm,
                change,
                event: Event::KeyRetired,
                details: details(order),
            },
            now,
        )
        .await?;
        let signing = KeySchedule::signing(self.ring.load().times(algorithm), now);
        let signing = signing.and_then(|at| self.listed(algorithm, at, now));
        Ok(Retired {
            key: self.listed(algorithm, at, now).ok_or_else(unknown)?,
            was_signing,
            signing: signing.map(|key| {
                let known_from = self.schedule.known_from(&key.times);
                (key, known_from)
            }),
        })
    }
}

impl From<KeySetError> for OrderFailed {
    fn from(error: KeySetError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// What the audit log says of an order.
fn details(order: &Order) -> Value {
    let at_once = order.patience == Patience::Now;
    json!({ "by": order.by, "note": order.note, "at_once": at_once })
}

/// One record for each key that is touched, the order's own word first.
fn records(intended: &Intended, saved: &SavedKeys, now: UnixMillis) -> Vec<Record> {
    let record = |event: Event, details: Value| Record {
        details,
        ..Record::new(event, now)
    };
    let times = |key: &StoredKey| {
        json!({
            "kid": key.kid, "algorithm": key.algorithm, "published_at": key.times.published_at,
            "signs_from": key.times.signs_from, "retired_at": key.times.retired_at,
        })
    };
    let mut records = Vec::new();
    if intended.event != Event::KeyCreated {
        let mut details = intended.details.clone();
        if let Some(members) = details.as_object_mut() {
            let changed = saved.changed.iter().map(times).collect::<Vec<_>>();
            members.insert("algorithm".to_owned(), json!(intended.algorithm));
            members.insert("changed".to_owned(), Value::Array(changed));
        }
        records.push(record(intended.event, details));
    }
    records.extend(
        saved
            .added
            .iter()
            .map(|key| record(Event::KeyCreated, times(key))),
    );
    records.extend(
        saved
            .forgotten
            .iter()
            .map(|kid| record(Event::KeyForgotten, json!({ "kid": kid }))),
    );
    records
}
