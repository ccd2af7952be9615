//! How keys come and go: by time, by an operator's word, and out of the store.
//!
//! Each function says what to change; whoever keeps the keys makes it durable.

use std::time::Duration;

use super::{KeySchedule, KeyState, KeyTimes};
use crate::domain::time::UnixMillis;

/// Keys that are over stay listed for this long.
pub const LISTED_AFTER_END: Duration = Duration::from_secs(7 * 24 * 3600);

/// What to change about the keys of one algorithm.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyChange {
    /// New times of keys that there are, by position.
    pub set: Vec<(usize, KeyTimes)>,
    /// Keys to make.
    pub add: Vec<KeyTimes>,
    /// Keys to forget, by position.
    pub forget: Vec<usize>,
}

/// Whether verifiers may hold a copy of a key set that a new key is not in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// None has seen any key set of this installation: the first key may sign at once.
    Nobody,
    /// Some may.
    Verifiers,
}

/// Whether the key after the signing one waits until every verifier's copy of the key set has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// It waits: no verifier refuses a token of its.
    Wait,
    /// It signs at once, whatever verifiers hold.
    Now,
}

/// What asking for a rotation came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotation {
    /// The next key is to be another one, or sooner.
    Begins(KeyChange),
    /// The next key, at this position, signs soon anyway.
    UnderWay(usize),
}

/// A key cannot be retired like this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetireRefused {
    /// It is over already.
    Over(KeyState),
    /// It signs, and verifiers' copies of the key set may not have the key that would follow; `known_from` says
    /// when all have, if it is published already.
    NextNotKnown {
        /// When they all have it.
        known_from: Option<UnixMillis>,
    },
}

impl KeyChange {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.add.is_empty() && self.forget.is_empty()
    }
}

impl KeySchedule {
    /// The keys to add at `now`, so that one signs, or will as soon as it may, and one stands ready.
    pub fn missing(&self, keys: &[KeyTimes], audience: Audience, now: UnixMillis) -> Vec<KeyTimes> {
        let mut missing = Vec::new();
        if keys.iter().all(|key| key.is_retired(now)) {
            missing.push(match audience {
                Audience::Nobody if keys.is_empty() => published(now, now),
                Audience::Nobody | Audience::Verifiers => {
                    published(now, now.plus(self.published_before))
                }
            });
        }
        let all = || {
            let keys = keys.iter().chain(&missing);
            keys.filter(|key| !key.is_retired(now))
        };
        if all().all(|key| key.signs_from <= now) {
            let newest = all().map(|key| key.signs_from).max().unwrap_or(now);
            let signs_from = newest
                .plus(self.signing_period)
                .max(now.plus(self.published_before));
            missing.push(published(now, signs_from));
        }
        missing
    }

    /// Rotates on an operator's word.
    ///
    /// With patience, a new key is published and follows as soon as every verifier knows it; a key that stood
    /// ready before has signed nothing and is taken out, so that none of the keys that were at hand before
    /// signs for long. Without, the next key signs at once.
    pub fn rotate(&self, keys: &[KeyTimes], patience: Patience, now: UnixMillis) -> Rotation {
        let next = Self::next(keys, now).and_then(|at| Some((at, *keys.get(at)?)));
        match (patience, next) {
            (Patience::Wait, Some((at, key)))
                if key.signs_from <= now.plus(self.published_before) =>
            {
                Rotation::UnderWay(at)
            }
            (Patience::Wait, _) => Rotation::Begins(KeyChange {
                set: retired(keys, now, |key| key.signs_from > now),
                add: vec![published(now, now.plus(self.published_before))],
                forget: Vec::new(),
            }),
            (Patience::Now, next) => Rotation::Begins(Self::follow(next, now)),
        }
    }

    /// Takes a key out of use at once: it neither signs nor is published any more.
    pub fn retire(
        &self,
        keys: &[KeyTimes],
        key: usize,
        patience: Patience,
        now: UnixMillis,
    ) -> Result<KeyChange, RetireRefused> {
        let mut change = match self.state(keys, key, now) {
            state @ (KeyState::Retired | KeyState::Gone) => return Err(RetireRefused::Over(state)),
            KeyState::Next | KeyState::Published => KeyChange::default(),
            KeyState::Signing => {
                let next = Self::next(keys, now).and_then(|at| Some((at, *keys.get(at)?)));
                let known_from = next.map(|(_, next)| self.known_from(&next));
                let is_known = known_from.is_some_and(|known| known <= now);
                if patience == Patience::Wait && !is_known {
                    return Err(RetireRefused::NextNotKnown { known_from });
                }
                Self::follow(next, now)
            }
        };
        let times = keys.get(key).map(|times| KeyTimes {
            retired_at: Some(now),
            ..*times
        });
        change.set.extend(times.map(|times| (key, times)));
        Ok(change)
    }

    /// The keys that have been over for so long that nobody asks for them.
    pub fn forgettable(&self, keys: &[KeyTimes], now: UnixMillis) -> KeyChange {
        let is_forgettable = |at: &usize| {
            self.published_until(keys, *at)
                .is_some_and(|until| until.plus(LISTED_AFTER_END) < now)
        };
        KeyChange {
            forget: (0..keys.len()).filter(is_forgettable).collect(),
            ..KeyChange::default()
        }
    }

    /// The next key signs at once; a new one, if there is none.
    fn follow(next: Option<(usize, KeyTimes)>, now: UnixMillis) -> KeyChange {
        match next {
            Some((at, next)) => KeyChange {
                set: vec![(
                    at,
                    KeyTimes {
                        signs_from: now,
                        ..next
                    },
                )],
                ..KeyChange::default()
            },
            None => KeyChange {
                add: vec![published(now, now)],
                ..KeyChange::default()
            },
        }
    }
}

fn published(published_at: UnixMillis, signs_from: UnixMillis) -> KeyTimes {
    KeyTimes {
        published_at,
        signs_from,
        retired_at: None,
    }
}

fn retired(
    keys: &[KeyTimes],
    now: UnixMillis,
    which: impl Fn(&KeyTimes) -> bool,
) -> Vec<(usize, KeyTimes)> {
    let concerned = keys
        .iter()
        .enumerate()
        .filter(|(_, key)| !key.is_retired(now) && which(key));
    let retired = |(at, key): (usize, &KeyTimes)| {
        (
            at,
            KeyTimes {
                retired_at: Some(now),
                ..*key
            },
        )
    };
    concerned.map(retired).collect()
}
