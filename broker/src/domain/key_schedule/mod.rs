//! Which signing key signs, which are published, and how they follow one another.
//!
//! All keys here are of one algorithm; each algorithm has a chain of its own. A key is first published, then
//! signs, then stays published until the last token that it may have signed has expired:
//!
//! ```text
//! next ──(published_before)──▶ signing ──(another follows)──▶ published ──(published_after)──▶ gone
//!   └───────────────────────────── retired by an operator ◀───────┘
//! ```
//!
//! - [`KeySchedule`]: what is true at a point in time
//! - [`change`]: keys that are missing, asked for, retired, or forgotten

pub mod change;
#[cfg(test)]
mod tests;

use std::time::Duration;

use super::time::UnixMillis;

/// How signing keys follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeySchedule {
    /// How long a key signs.
    pub signing_period: Duration,
    /// How long a key is published before it signs: longer than verifiers cache the key set.
    pub published_before: Duration,
    /// How long a key stays published after it last signed: the longest life of a token.
    pub published_after: Duration,
}

/// A key, as far as its schedule goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyTimes {
    /// When it was first published.
    pub published_at: UnixMillis,
    /// When it may first sign.
    pub signs_from: UnixMillis,
    /// When it was taken out of use early: from then on it neither signs nor is published.
    pub retired_at: Option<UnixMillis>,
}

/// Where a key is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// Published, and waits to sign.
    Next,
    /// Signs.
    Signing,
    /// Signed before; tokens of its may still live.
    Published,
    /// Taken out of use early.
    Retired,
    /// Its last token has expired.
    Gone,
}

impl KeyTimes {
    fn is_retired(&self, now: UnixMillis) -> bool {
        self.retired_at.is_some_and(|at| at <= now)
    }

    /// Whether it signs some day, or did: not when it was retired before its time came.
    fn ever_signs(&self) -> bool {
        self.retired_at.is_none_or(|at| at > self.signs_from)
    }
}

impl KeyState {
    /// The word for it on the wire and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Signing => "signing",
            Self::Published => "published",
            Self::Retired => "retired",
            Self::Gone => "gone",
        }
    }
}

impl KeySchedule {
    /// Which of the keys signs at `now`: the one that may sign since the shortest time.
    pub fn signing(keys: &[KeyTimes], now: UnixMillis) -> Option<usize> {
        let eligible = keys
            .iter()
            .enumerate()
            .filter(|(_, key)| key.signs_from <= now && !key.is_retired(now));
        eligible
            .max_by_key(|(_, key)| key.signs_from)
            .map(|(index, _)| index)
    }

    /// The key that signs after the one that does at `now`.
    pub fn next(keys: &[KeyTimes], now: UnixMillis) -> Option<usize> {
        let waiting = keys
            .iter()
            .enumerate()
            .filter(|(_, key)| key.signs_from > now && !key.is_retired(now));
        waiting
            .min_by_key(|(_, key)| key.signs_from)
            .map(|(index, _)| index)
    }

    /// Until when a key stays published: for good while no other follows it.
    pub fn published_until(&self, keys: &[KeyTimes], key: usize) -> Option<UnixMillis> {
        let KeyTimes {
            signs_from,
            retired_at,
            ..
        } = *keys.get(key)?;
        let follows = |(index, other): &(usize, &KeyTimes)| {
            (other.signs_from, *index) > (signs_from, key) && other.ever_signs()
        };
        let followers = keys.iter().enumerate().filter(follows);
        let followed = followers
            .map(|(_, next)| next.signs_from.plus(self.published_after))
            .min();
        match (retired_at, followed) {
            (Some(retired), Some(followed)) => Some(retired.min(followed)),
            (retired, followed) => retired.or(followed),
        }
    }

    /// Whether a key is published at `now`.
    pub fn is_published(&self, keys: &[KeyTimes], key: usize, now: UnixMillis) -> bool {
        self.published_until(keys, key)
            .is_none_or(|until| now < until)
    }

    /// Where a key is in its life at `now`.
    pub fn state(&self, keys: &[KeyTimes], key: usize, now: UnixMillis) -> KeyState {
        let waits = keys.get(key).is_some_and(|key| key.signs_from > now);
        let is_retired = keys.get(key).is_some_and(|key| key.is_retired(now));
        if is_retired {
            KeyState::Retired
        } else if !self.is_published(keys, key, now) {
            KeyState::Gone
        } else if waits {
            KeyState::Next
        } else if Self::signing(keys, now) == Some(key) {
            KeyState::Signing
        } else {
            KeyState::Published
        }
    }

    /// From when every verifier's copy of the key set has the key.
    pub fn known_from(&self, key: &KeyTimes) -> UnixMillis {
        key.published_at.plus(self.published_before)
    }
}
