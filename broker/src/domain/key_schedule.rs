//! Which signing key signs, which are published, and when the next one is due.

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
}

impl KeySchedule {
    /// Which of the keys signs at `now`: the one that may sign since the shortest time.
    pub fn signing(keys: &[KeyTimes], now: UnixMillis) -> Option<usize> {
        let eligible = keys
            .iter()
            .enumerate()
            .filter(|(_, key)| key.signs_from <= now);
        eligible
            .max_by_key(|(_, key)| key.signs_from)
            .map(|(index, _)| index)
    }

    /// Until when a key stays published: for good while no other follows it.
    pub fn published_until(&self, keys: &[KeyTimes], key: usize) -> Option<UnixMillis> {
        let signs_from = keys.get(key)?.signs_from;
        let followers = keys.iter().filter(|other| other.signs_from > signs_from);
        followers
            .map(|next| next.signs_from.plus(self.published_after))
            .min()
    }

    /// Whether a key is published at `now`.
    pub fn is_published(&self, keys: &[KeyTimes], key: usize, now: UnixMillis) -> bool {
        self.published_until(keys, key)
            .is_none_or(|until| now < until)
    }

    /// The keys to add at `now`, so that one signs and one stands ready.
    ///
    /// The very first may sign at once: nobody can have cached a key set without it.
    pub fn missing(&self, keys: &[KeyTimes], now: UnixMillis) -> Vec<KeyTimes> {
        let mut missing = Vec::new();
        if keys.is_empty() {
            missing.push(KeyTimes {
                published_at: now,
                signs_from: now,
            });
        }
        let all = || keys.iter().chain(&missing);
        if all().all(|key| key.signs_from <= now) {
            let newest = all().map(|key| key.signs_from).max().unwrap_or(now);
            let signs_from = newest
                .plus(self.signing_period)
                .max(now.plus(self.published_before));
            missing.push(KeyTimes {
                published_at: now,
                signs_from,
            });
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);
    const SCHEDULE: KeySchedule = KeySchedule {
        signing_period: Duration::from_secs(90 * 24 * 3600),
        published_before: DAY,
        published_after: DAY,
    };
    const START: UnixMillis = UnixMillis::new(1_700_000_000_000);

    fn days(days: u32) -> UnixMillis {
        START.plus(DAY * days)
    }

    #[test]
    fn begins_with_one_key_that_signs_and_one_that_stands_ready() {
        let keys = SCHEDULE.missing(&[], START);
        assert_eq!(keys.len(), 2);
        assert_eq!(keys[0].signs_from, START);
        assert_eq!(
            keys[1],
            KeyTimes {
                published_at: START,
                signs_from: days(90)
            }
        );
        assert!(SCHEDULE.missing(&keys, days(89)).is_empty());
    }

    #[test]
    fn a_later_key_is_published_long_enough_before_it_signs() {
        let mut keys = SCHEDULE.missing(&[], START);
        // The broker was down for most of a year.
        let late = days(300);
        keys.extend(SCHEDULE.missing(&keys, late));
        assert_eq!(keys.len(), 3);
        assert_eq!(keys[2].signs_from, late.plus(DAY));
        assert_eq!(KeySchedule::signing(&keys, late), Some(1));
        assert_eq!(KeySchedule::signing(&keys, late.plus(DAY)), Some(2));
    }

    #[test]
    fn a_key_stays_published_as_long_as_a_token_of_its_may_live() {
        let keys = SCHEDULE.missing(&[], START);
        assert_eq!(KeySchedule::signing(&keys, days(89)), Some(0));
        assert_eq!(KeySchedule::signing(&keys, days(90)), Some(1));
        assert!(SCHEDULE.is_published(&keys, 0, days(90)));
        assert!(!SCHEDULE.is_published(&keys, 0, days(91)));
        assert!(SCHEDULE.is_published(&keys, 1, days(1000)));
    }
}
