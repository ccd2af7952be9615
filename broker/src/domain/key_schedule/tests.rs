//! The schedule at single points, and verifiers that cache over months of random doings.

use std::time::Duration;

use proptest::prelude::*;

use super::KeyState::{Gone, Next, Published, Retired, Signing};
use super::change::{Audience, KeyChange, Patience, RetireRefused, Rotation};
use super::{KeySchedule, KeyState, KeyTimes};
use crate::domain::time::UnixMillis;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
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

fn first() -> Vec<KeyTimes> {
    SCHEDULE.missing(&[], Audience::Nobody, START)
}

fn apply(keys: &mut Vec<KeyTimes>, change: KeyChange) {
    for (at, times) in change.set {
        keys[at] = times;
    }
    keys.extend(change.add);
    for at in change.forget.into_iter().rev() {
        keys.remove(at);
    }
}

#[test]
fn begins_with_one_key_that_signs_and_one_that_stands_ready() {
    let keys = first();
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0].signs_from, START);
    assert_eq!(
        (keys[1].published_at, keys[1].signs_from),
        (START, days(90))
    );
    let later = SCHEDULE.missing(&keys, Audience::Verifiers, days(89));
    assert!(later.is_empty());
}

#[test]
fn a_first_key_that_comes_late_waits_until_verifiers_know_it() {
    let mut keys = SCHEDULE.missing(&[], Audience::Verifiers, START);
    assert_eq!(keys.len(), 1);
    assert_eq!(keys[0].signs_from, days(1));
    assert_eq!(KeySchedule::signing(&keys, START), None);
    let more = SCHEDULE.missing(&keys, Audience::Verifiers, days(1));
    keys.extend(more);
    assert_eq!(keys[1].signs_from, days(91));
    // An operator who knows that nobody holds an older key set need not wait.
    let Rotation::Begins(change) = SCHEDULE.rotate(&keys[..1], Patience::Now, START) else {
        panic!("nothing began")
    };
    assert_eq!(change.set[0].1.signs_from, START);
}

#[test]
fn a_later_key_is_published_long_enough_before_it_signs() {
    let mut keys = first();
    // The broker was down for most of a year.
    let late = days(300);
    keys.extend(SCHEDULE.missing(&keys, Audience::Verifiers, late));
    assert_eq!(keys.len(), 3);
    assert_eq!(keys[2].signs_from, late.plus(DAY));
    assert_eq!(KeySchedule::signing(&keys, late), Some(1));
    assert_eq!(KeySchedule::signing(&keys, late.plus(DAY)), Some(2));
}

#[test]
fn a_key_stays_published_as_long_as_a_token_of_its_may_live() {
    let keys = first();
    assert_eq!(KeySchedule::signing(&keys, days(89)), Some(0));
    assert_eq!(KeySchedule::signing(&keys, days(90)), Some(1));
    assert!(SCHEDULE.is_published(&keys, 0, days(90)));
    assert_eq!(SCHEDULE.state(&keys, 0, days(90)), KeyState::Published);
    assert!(!SCHEDULE.is_published(&keys, 0, days(91)));
    assert_eq!(SCHEDULE.state(&keys, 0, days(91)), KeyState::Gone);
    assert!(SCHEDULE.is_published(&keys, 1, days(1000)));
}

#[test]
fn a_rotation_publishes_a_new_key_and_takes_out_the_one_that_stood_ready() {
    let mut keys = first();
    let now = days(10);
    let Rotation::Begins(change) = SCHEDULE.rotate(&keys, Patience::Wait, now) else {
        panic!("nothing began")
    };
    apply(&mut keys, change);
    let states = |at: UnixMillis| [0, 1, 2].map(|key| SCHEDULE.state(&keys, key, at));
    assert_eq!(states(now), [Signing, Retired, Next]);
    assert_eq!(states(days(11)), [Published, Retired, Signing]);
    assert_eq!(states(days(12)), [Gone, Retired, Signing]);
    // Asked again, it goes on as it began.
    assert_eq!(
        SCHEDULE.rotate(&keys, Patience::Wait, now.plus(HOUR)),
        Rotation::UnderWay(2)
    );
    let next = SCHEDULE.missing(&keys, Audience::Verifiers, days(11));
    assert_eq!(next[0].signs_from, days(101));
}

#[test]
fn the_signing_key_is_retired_only_where_the_next_is_known_or_on_somebodys_word() {
    let mut keys = first();
    // Known everywhere after a day: nobody refuses the next key's tokens.
    let refused = SCHEDULE.retire(&keys, 0, Patience::Wait, START.plus(HOUR));
    let known_from = Some(days(1));
    assert_eq!(refused, Err(RetireRefused::NextNotKnown { known_from }));
    for (patience, at) in [(Patience::Now, START.plus(HOUR)), (Patience::Wait, days(1))] {
        let mut keys = keys.clone();
        let change = SCHEDULE.retire(&keys, 0, patience, at).unwrap();
        apply(&mut keys, change);
        assert_eq!(KeySchedule::signing(&keys, at), Some(1));
        assert_eq!(SCHEDULE.state(&keys, 0, at), KeyState::Retired);
        assert!(!SCHEDULE.is_published(&keys, 0, at));
        let again = SCHEDULE.retire(&keys, 0, Patience::Now, at);
        assert_eq!(again, Err(RetireRefused::Over(KeyState::Retired)));
    }
    // Without another key, one is made that signs at once.
    keys.truncate(1);
    let alone = SCHEDULE.retire(&keys, 0, Patience::Wait, days(1));
    assert_eq!(alone, Err(RetireRefused::NextNotKnown { known_from: None }));
    let change = SCHEDULE.retire(&keys, 0, Patience::Now, days(1)).unwrap();
    assert_eq!(change.add[0].signs_from, days(1));
}

#[test]
fn keys_that_are_over_are_forgotten_after_a_week() {
    let keys = first();
    // The first one is over after 91 days.
    assert!(SCHEDULE.forgettable(&keys, days(98)).is_empty());
    assert_eq!(SCHEDULE.forgettable(&keys, days(99)).forget, [0]);
}

/// What happens next in a simulated installation, each after so many minutes.
#[derive(Debug, Clone)]
enum Doing {
    /// Time passes, and the broker looks at its schedule.
    Look,
    /// The broker is down: nobody looks, and the key set cannot be fetched.
    Down,
    /// An operator rotates.
    Rotate,
    /// A token of this life, in minutes, is signed.
    Sign(u64),
    /// A verifier checks every token that lives.
    Verify(usize),
}

fn doings() -> impl Strategy<Value = Vec<(u64, Doing)>> {
    let doing = prop_oneof![
        3 => Just(Doing::Look),
        1 => Just(Doing::Down),
        2 => Just(Doing::Rotate),
        6 => (1..=24 * 60_u64).prop_map(Doing::Sign),
        6 => (0..3_usize).prop_map(Doing::Verify),
    ];
    // Mostly minutes, sometimes weeks.
    let pause = prop_oneof![8 => 0..90_u64, 2 => 0..24 * 60_u64, 1 => 0..30 * 24 * 60_u64];
    prop::collection::vec((pause, doing), 1..120)
}

/// A key set that a verifier fetched: positions never change here, for nothing is forgotten.
type Fetched = (UnixMillis, Vec<usize>);

proptest! {
    /// Verifiers hold what they fetched for as long as they may and never fetch for an unknown key.
    #[test]
    fn no_verifier_that_caches_ever_refuses_a_token(doings in doings()) {
        let max_age = HOUR;
        let schedule = KeySchedule { published_before: max_age * 2, ..SCHEDULE };
        let mut now = START;
        let mut keys = schedule.missing(&[], Audience::Nobody, now);
        let mut tokens: Vec<(usize, UnixMillis)> = Vec::new();
        let mut verifiers: [Option<Fetched>; 3] = [None, None, None];
        let mut is_down = false;
        for (pause, doing) in doings {
            now = now.plus(MINUTE * u32::try_from(pause).unwrap());
            if !is_down {
                let missing = schedule.missing(&keys, Audience::Verifiers, now);
                keys.extend(missing);
            }
            match doing {
                Doing::Look => is_down = false,
                Doing::Down => is_down = true,
                Doing::Rotate if !is_down => {
                    if let Rotation::Begins(change) = schedule.rotate(&keys, Patience::Wait, now) {
                        apply(&mut keys, change);
                    }
                }
                Doing::Sign(minutes) if !is_down => {
                    let signing = KeySchedule::signing(&keys, now);
                    prop_assert!(signing.is_some(), "a key signs at any time");
                    let expires = now.plus(MINUTE * u32::try_from(minutes).unwrap());
                    tokens.push((signing.unwrap(), expires));
                }
                Doing::Verify(who) => {
                    let fetched = verifiers[who].take().filter(|(at, _)| now.since(*at) < max_age);
                    let fetch = || (0..keys.len()).filter(|key| schedule.is_published(&keys, *key, now));
                    let known = match fetched {
                        Some(known) => known,
                        None if is_down => continue,
                        None => (now, fetch().collect()),
                    };
                    for (key, expires) in tokens.iter().filter(|(_, expires)| now < *expires) {
                        prop_assert!(known.1.contains(key), "key {key} of a token until {expires}");
                    }
                    verifiers[who] = Some(known);
                }
                Doing::Rotate | Doing::Sign(_) => {}
            }
        }
        // Bounded, however often somebody rotates.
        let published = (0..keys.len()).filter(|key| schedule.is_published(&keys, *key, now));
        prop_assert!(published.count() <= 15);
    }
}
