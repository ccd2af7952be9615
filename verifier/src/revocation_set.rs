//! What no longer counts, and whether that is known: pure, without I/O.

use std::collections::HashMap;
use std::time::Duration;

use taskpass_proto::ids::LeaseId;

use crate::update::{Revocation, Revoked, Update};

/// How long a set is good for after the last word that it is complete.
pub const DEFAULT_MAX_SILENCE: Duration = Duration::from_secs(15);

/// The ends that a verifier has heard of, and when it last heard that these are all.
///
/// ```
/// use std::time::Duration;
/// use taskpass_verifier::revocation_set::{RevocationSet, Standing};
/// use taskpass_verifier::update::Update;
///
/// let mut set = RevocationSet::new(Duration::from_secs(15));
/// let lease = "lease_01h455vb4pex5vsknk084sn02q_1".parse()?;
/// assert_eq!(set.standing(lease, Duration::ZERO), Standing::Stale);
/// let nothing = Update::Snapshot { number: 0, revocations: vec![], more: false, epoch: vec![1] };
/// set.apply(&nothing, Duration::ZERO);
/// assert_eq!(set.standing(lease, Duration::from_secs(15)), Standing::Good);
/// assert_eq!(set.standing(lease, Duration::from_secs(16)), Standing::Stale);
/// # Ok::<(), taskpass_proto::ids::InvalidId>(())
/// ```
#[derive(Debug, Clone)]
pub struct RevocationSet {
    revoked: HashMap<Revoked, u64>,
    position: Option<Position>,
    heard_at: Option<Duration>,
    max_silence: Duration,
    forgotten_until: u64,
}

/// Where to go on with the broker's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// After this number.
    pub after: u64,
    /// The epoch that it was given under.
    pub epoch: Vec<u8>,
}

/// What the set says of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It counts.
    Good,
    /// It ended, or its job did.
    Revoked,
    /// Nobody knows: nothing was heard for too long.
    Stale,
}

impl RevocationSet {
    /// An empty set that knows nothing yet, and is good for `max_silence` after each word that it is complete.
    pub fn new(max_silence: Duration) -> Self {
        Self {
            revoked: HashMap::new(),
            position: None,
            heard_at: None,
            max_silence,
            forgotten_until: 0,
        }
    }

    /// Takes what was heard at `at`, a time since boot.
    ///
    /// INVARIANT: nothing that is heard ever takes an end back; ends are final. A snapshot adds to what is
    /// known, in whatever order streams are cut off and begun again.
    pub fn apply(&mut self, update: &Update, at: Duration) {
        match update {
            Update::Snapshot {
                number,
                revocations,
                more,
                epoch,
            } => {
                for revocation in revocations {
                    self.add(revocation);
                }
                // INVARIANT: a part is no position: whoever is cut off in between begins again.
                if !more {
                    self.position = Some(Position {
                        after: *number,
                        epoch: epoch.clone(),
                    });
                    self.heard_at = Some(at);
                }
            }
            Update::Revoked { number, revocation } => {
                self.add(revocation);
                self.move_to(*number);
            }
            // Only this and a whole snapshot say that nothing is missing; an entry may be an old one.
            Update::Progress(number) => {
                if self.position.is_some() {
                    self.move_to(*number);
                    self.heard_at = Some(at);
                }
            }
            Update::Reset => {
                self.position = None;
                self.heard_at = None;
            }
            Update::Reconnect => {}
        }
    }

    /// What it says of a lease at `now`, a time since boot.
    pub fn standing(&self, lease: LeaseId, now: Duration) -> Standing {
        let is_revoked = |key| self.revoked.contains_key(&key);
        if is_revoked(Revoked::Job(lease.job())) || is_revoked(Revoked::Lease(lease)) {
            Standing::Revoked
        } else if self.is_fresh(now) {
            Standing::Good
        } else {
            Standing::Stale
        }
    }

    /// Whether it was heard to be complete recently enough.
    pub fn is_fresh(&self, now: Duration) -> bool {
        let silent = self.heard_at.map(|at| now.saturating_sub(at));
        silent.is_some_and(|silent| silent <= self.max_silence)
    }

    /// Where to go on; none before the first whole snapshot.
    pub fn position(&self) -> Option<&Position> {
        self.position.as_ref()
    }

    /// Forgets what is over by now, in milliseconds since 1970.
    pub fn forget(&mut self, now: u64) {
        self.revoked.retain(|_, until| *until >= now);
        self.forgotten_until = self.forgotten_until.max(now);
    }

    /// The latest time by which anything was forgotten, in milliseconds since 1970.
    ///
    /// No token may be judged by an earlier one: a clock that steps back would revive what had expired and
    /// was forgotten.
    pub fn forgotten_until(&self) -> u64 {
        self.forgotten_until
    }

    /// How many ends it remembers.
    pub fn len(&self) -> usize {
        self.revoked.len()
    }

    /// Whether it remembers none.
    pub fn is_empty(&self) -> bool {
        self.revoked.is_empty()
    }

    fn add(&mut self, revocation: &Revocation) {
        let until = self.revoked.entry(revocation.revoked).or_default();
        *until = (*until).max(revocation.until);
    }

    /// Numbers only grow; 0 is that of an end which has none yet.
    fn move_to(&mut self, number: u64) {
        if let Some(position) = &mut self.position {
            position.after = position.after.max(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use taskpass_proto::ids::JobId;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(15);
    const UNTIL: u64 = 1_000_000;

    fn job(n: u8) -> JobId {
        JobId::new(1, [n; 10])
    }

    fn lease(n: u8) -> LeaseId {
        LeaseId::new(job(n), 1)
    }

    fn revocation(n: u8) -> Revocation {
        Revocation {
            revoked: Revoked::Job(job(n)),
            until: UNTIL,
        }
    }

    fn ended(number: u64, n: u8) -> Update {
        let revocation = revocation(n);
        Update::Revoked { number, revocation }
    }

    fn snapshot(number: u64, of: &[u8], more: bool) -> Update {
        Update::Snapshot {
            number,
            revocations: of.iter().copied().map(revocation).collect(),
            more,
            epoch: vec![1],
        }
    }

    fn after(updates: &[Update]) -> RevocationSet {
        let mut set = RevocationSet::new(LIMIT);
        for update in updates {
            set.apply(update, Duration::ZERO);
        }
        set
    }

    #[test]
    fn an_end_that_is_told_again_is_never_forgotten_earlier() {
        let told = |until| Update::Revoked {
            number: 1,
            revocation: Revocation {
                until,
                ..revocation(7)
            },
        };
        let mut set = after(&[told(UNTIL), told(UNTIL - 1)]);
        set.forget(UNTIL);
        assert_eq!(set.standing(lease(7), Duration::ZERO), Standing::Revoked);
    }

    #[test]
    fn is_good_only_once_it_has_heard_everything() {
        use Standing::{Good, Revoked, Stale};
        // What was heard, and then what a lease that was not named and one that was are worth.
        let table: [(&[Update], Standing, Standing); 9] = [
            (&[], Stale, Stale),
            (&[snapshot(1, &[7], false)], Good, Revoked),
            (&[snapshot(1, &[7], true)], Stale, Revoked),
            (
                &[snapshot(1, &[7], true), snapshot(2, &[], false)],
                Good,
                Revoked,
            ),
            (&[Update::Progress(1)], Stale, Stale),
            (&[ended(1, 7)], Stale, Revoked),
            (&[ended(0, 7), snapshot(0, &[], false)], Good, Revoked),
            (&[snapshot(1, &[7], false), Update::Reset], Stale, Revoked),
            (
                &[snapshot(1, &[7], false), Update::Reset, Update::Progress(1)],
                Stale,
                Revoked,
            ),
        ];
        for (updates, other, named) in table {
            let set = after(updates);
            let found = [8, 7].map(|n| set.standing(lease(n), LIMIT));
            assert_eq!(found, [other, named], "{updates:?}");
        }
    }

    #[test]
    fn an_entry_is_no_word_that_nothing_else_has_ended() {
        let mut set = after(&[snapshot(0, &[], false)]);
        set.apply(&ended(1, 7), Duration::from_secs(20));
        assert!(!set.is_fresh(Duration::from_secs(20)));
        set.apply(&Update::Progress(1), Duration::from_secs(21));
        assert!(set.is_fresh(Duration::from_secs(36)) && !set.is_fresh(Duration::from_secs(37)));
    }

    #[test]
    fn goes_on_after_what_it_has_seen() {
        let position = |updates: &[Update]| after(updates).position().map(|p| p.after);
        assert_eq!(position(&[]), None);
        assert_eq!(position(&[snapshot(5, &[], true)]), None);
        assert_eq!(position(&[snapshot(5, &[], false)]), Some(5));
        let live = [
            snapshot(5, &[], false),
            ended(6, 1),
            ended(0, 2),
            Update::Progress(9),
        ];
        assert_eq!(position(&live[..3]), Some(6));
        assert_eq!(position(&live), Some(9));
        // Heard late, on a stream that is being left.
        let late = [snapshot(5, &[], false), Update::Progress(9), ended(7, 1)];
        assert_eq!(position(&late), Some(9));
        assert_eq!(position(&[snapshot(5, &[], false), Update::Reset]), None);
    }

    #[test]
    fn one_lease_alone_leaves_the_others_of_its_job() {
        let (one, two) = (LeaseId::new(job(1), 1), LeaseId::new(job(1), 2));
        let revocation = Revocation {
            revoked: Revoked::Lease(one),
            until: UNTIL,
        };
        let set = after(&[
            snapshot(0, &[], false),
            Update::Revoked {
                number: 1,
                revocation,
            },
        ]);
        assert_eq!(set.standing(one, LIMIT), Standing::Revoked);
        assert_eq!(set.standing(two, LIMIT), Standing::Good);
    }

    #[test]
    fn forgets_what_is_over_and_remembers_until_when() {
        let mut set = after(&[snapshot(1, &[7], false)]);
        set.forget(UNTIL);
        assert_eq!(set.len(), 1);
        set.forget(UNTIL + 1);
        assert!(set.is_empty());
        set.forget(5);
        assert_eq!(set.forgotten_until(), UNTIL + 1);
    }

    /// What happens to a broker and a verifier with its stream.
    #[derive(Debug, Clone)]
    enum Step {
        End,
        Deliver,
        CutOff,
        OtherEpoch,
        Tell,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => Just(Step::End),
            8 => Just(Step::Deliver),
            2 => Just(Step::CutOff),
            1 => Just(Step::OtherEpoch),
            3 => Just(Step::Tell),
        ];
        proptest::collection::vec(step, 0..120)
    }

    /// A broker as it should be: numbered ends, parts of two, what it has sent and is not delivered yet.
    struct Broker {
        ends: u8,
        epoch: u8,
        sent: u64,
        wire: std::collections::VecDeque<Update>,
    }

    impl Broker {
        fn connect(&mut self, position: Option<&Position>) {
            self.wire.clear();
            let newest = u64::from(self.ends);
            match position {
                Some(position) if position.epoch == [self.epoch] && position.after <= newest => {
                    self.sent = position.after;
                    self.tell();
                }
                known => {
                    if known.is_some() {
                        self.wire.push_back(Update::Reset);
                    }
                    let ids: Vec<u8> = (1..=self.ends).collect();
                    for part in ids.chunks(2) {
                        self.wire.push_back(self.part(part, true));
                    }
                    self.wire.push_back(self.part(&[], false));
                    self.sent = newest;
                }
            }
        }

        fn part(&self, of: &[u8], more: bool) -> Update {
            Update::Snapshot {
                number: u64::from(of.last().copied().unwrap_or(self.ends)),
                revocations: of.iter().copied().map(revocation).collect(),
                more,
                epoch: vec![self.epoch],
            }
        }

        /// Entries since the last, and then that these are all.
        fn tell(&mut self) {
            for n in 1..=self.ends {
                if u64::from(n) > self.sent {
                    self.wire.push_back(ended(u64::from(n), n));
                }
            }
            self.sent = u64::from(self.ends);
            self.wire.push_back(Update::Progress(self.sent));
        }
    }

    proptest! {
        #[test]
        fn never_forgets_an_end_and_never_calls_itself_complete_without_one(steps in steps()) {
            let mut broker = Broker { ends: 0, epoch: 1, sent: 0, wire: [].into() };
            let mut set = RevocationSet::new(LIMIT);
            broker.connect(None);
            let mut known = std::collections::BTreeSet::new();
            for (at, step) in (0..).map(Duration::from_secs).zip(steps) {
                match step {
                    Step::End => broker.ends += 1,
                    Step::Tell => broker.tell(),
                    Step::CutOff => broker.connect(set.position()),
                    Step::OtherEpoch => {
                        broker.epoch += 1;
                        broker.connect(set.position());
                    }
                    Step::Deliver => {
                        let Some(update) = broker.wire.pop_front() else { continue };
                        set.apply(&update, at);
                        let complete = match &update {
                            Update::Snapshot { revocations, more, number, .. } => {
                                for told in revocations {
                                    known.insert(told.revoked_job());
                                }
                                (!more).then_some(*number)
                            }
                            Update::Revoked { revocation, .. } => {
                                known.insert(revocation.revoked_job());
                                None
                            }
                            Update::Progress(number) => Some(*number),
                            Update::Reset | Update::Reconnect => None,
                        };
                        for n in 1..=complete.unwrap_or(0) {
                            let lease = lease(u8::try_from(n).unwrap());
                            prop_assert_eq!(set.standing(lease, at), Standing::Revoked);
                        }
                    }
                }
                set.forget(UNTIL);
                for job in &known {
                    let standing = set.standing(LeaseId::new(*job, 3), at);
                    prop_assert_eq!(standing, Standing::Revoked);
                }
            }
        }
    }

    impl Revocation {
        fn revoked_job(&self) -> JobId {
            match self.revoked {
                Revoked::Job(job) => job,
                Revoked::Lease(lease) => lease.job(),
            }
        }
    }
}
