//! Liveness: which holders have been heard of lately, and which of their jobs they announce.
//!
//! Time here is time since boot, so that a stepping wall clock ends nobody's job.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use taskpass_proto::ids::JobId;

use super::job::Owner;

/// How often a holder beats, and after how much silence its jobs end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rhythm {
    /// Between two beats.
    pub interval: Duration,
    /// The silence that ends the jobs.
    pub limit: Duration,
}

/// Every holder that has been heard of within the limit.
#[derive(Debug)]
pub struct Sessions {
    rhythm: Rhythm,
    by_owner: HashMap<Owner, Session>,
}

/// One holder.
#[derive(Debug)]
struct Session {
    incarnation: u64,
    last_heard: Duration,
    recorded_at: Option<Duration>,
    greeting: Option<Greeting>,
}

/// What a holder said when its stream began, and since.
#[derive(Debug)]
struct Greeting {
    at: Duration,
    announced: HashSet<JobId>,
    compared: bool,
}

/// What a sign of life tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// The holder that is known.
    Known,
    /// A newer start of it, or one not known in memory: to be recorded before anything is answered.
    Newer,
    /// An older start of it, which has been superseded.
    Superseded,
}

/// A holder whose greeting is to be compared with what is recorded: open jobs that it did not announce end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The holder.
    pub owner: Owner,
    /// What it announced.
    pub announced: HashSet<JobId>,
    /// How long ago it greeted: younger jobs are left alone.
    pub greeted_ago: Duration,
}

impl Sessions {
    /// No session yet.
    pub fn new(rhythm: Rhythm) -> Self {
        Self {
            rhythm,
            by_owner: HashMap::new(),
        }
    }

    /// How often holders beat, and the limit of their silence.
    pub fn rhythm(&self) -> Rhythm {
        self.rhythm
    }

    /// How many holders are live.
    pub fn len(&self) -> usize {
        self.by_owner.len()
    }

    /// Whether no holder is live.
    pub fn is_empty(&self) -> bool {
        self.by_owner.is_empty()
    }

    /// Gives a holder with open jobs one whole limit to be heard of, after a start of the broker.
    pub fn expect(&mut self, owner: Owner, incarnation: u64, now: Duration) {
        self.by_owner.entry(owner).or_insert(Session {
            incarnation,
            last_heard: now,
            recorded_at: None,
            greeting: None,
        });
    }

    /// Whether a holder has been heard of within the limit.
    pub fn knows(&self, owner: &Owner) -> bool {
        self.by_owner.contains_key(owner)
    }

    /// Checks a call's incarnation against the known one without counting it as a sign of life.
    pub fn check(&self, owner: &Owner, incarnation: u64) -> Heard {
        match self.by_owner.get(owner) {
            None => Heard::Newer,
            Some(session) if incarnation < session.incarnation => Heard::Superseded,
            Some(session) if incarnation > session.incarnation => Heard::Newer,
            Some(_) => Heard::Known,
        }
    }

    /// Takes a sign of life. Call it after [`Self::check`], and after a newer start was recorded.
    pub fn hear(&mut self, owner: &Owner, incarnation: u64, now: Duration) -> Heard {
        let heard = self.check(owner, incarnation);
        match (heard, self.by_owner.get_mut(owner)) {
            (Heard::Superseded, _) => {}
            (_, Some(session)) => {
                if incarnation > session.incarnation {
                    session.greeting = None;
                }
                session.incarnation = incarnation;
                session.last_heard = now;
            }
            (_, None) => self.expect(owner.clone(), incarnation, now),
        }
        heard
    }

    /// A stream began with the full list of live jobs.
    pub fn greet(&mut self, owner: &Owner, jobs: impl IntoIterator<Item = JobId>, now: Duration) {
        if let Some(session) = self.by_owner.get_mut(owner) {
            let announced = jobs.into_iter().collect();
            session.greeting = Some(Greeting {
                at: now,
                announced,
                compared: false,
            });
        }
    }

    /// Jobs that were opened since the last message.
    pub fn announce(&mut self, owner: &Owner, opened: impl IntoIterator<Item = JobId>) {
        let session = self.by_owner.get_mut(owner);
        if let Some(greeting) = session
            .and_then(|s| s.greeting.as_mut())
            .filter(|g| !g.compared)
        {
            greeting.announced.extend(opened);
        }
    }

    /// Whether a holder's row is due to be rewritten: every third of the limit.
    pub fn take_record_due(&mut self, owner: &Owner, now: Duration) -> bool {
        let every = self.rhythm.limit / 3;
        let Some(session) = self.by_owner.get_mut(owner) else {
            return false;
        };
        let due = session
            .recorded_at
            .is_none_or(|at| now.saturating_sub(at) >= every);
        if due {
            session.recorded_at = Some(now);
        }
        due
    }

    /// Gives every holder one whole limit more, from `now` on.
    pub fn excuse(&mut self, now: Duration) {
        for session in self.by_owner.values_mut() {
            session.last_heard = session.last_heard.max(now);
        }
    }

    /// Takes out the holders that were silent for longer than the limit: their jobs end.
    pub fn take_silent(&mut self, now: Duration) -> Vec<Owner> {
        let limit = self.rhythm.limit;
        let silent = |session: &Session| now.saturating_sub(session.last_heard) > limit;
        self.by_owner
            .extract_if(|_, session| silent(session))
            .map(|(owner, _)| owner)
            .collect()
    }

    /// Takes the greetings that are older than the limit and were not compared yet.
    ///
    /// The delay lets a job that was being opened while the greeting was written be announced.
    pub fn take_comparisons(&mut self, now: Duration) -> Vec<Comparison> {
        let limit = self.rhythm.limit;
        let mut due = Vec::new();
        for (owner, session) in &mut self.by_owner {
            let Some(greeting) = session.greeting.as_mut() else {
                continue;
            };
            let ago = now.saturating_sub(greeting.at);
            if !greeting.compared && ago >= limit {
                greeting.compared = true;
                due.push(Comparison {
                    owner: owner.clone(),
                    announced: std::mem::take(&mut greeting.announced),
                    greeted_ago: ago,
                });
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use taskpass_proto::holder::HolderSecret;

    use super::*;

    const RHYTHM: Rhythm = Rhythm {
        interval: Duration::from_secs(5),
        limit: Duration::from_secs(15),
    };

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn owner(holder: u8) -> Owner {
        Owner {
            subject: "spiffe://acme.example/a".parse().unwrap(),
            holder: HolderSecret::from_bytes(&[holder; 32]).unwrap().hash(),
        }
    }

    fn job(n: u8) -> JobId {
        JobId::new(1_700_000_000_000, [n; 10])
    }

    #[test]
    fn the_newest_incarnation_takes_over_and_an_older_one_is_superseded() {
        let mut sessions = Sessions::new(RHYTHM);
        assert_eq!(sessions.hear(&owner(1), 2, at(0)), Heard::Newer);
        assert_eq!(sessions.hear(&owner(1), 2, at(1)), Heard::Known);
        assert_eq!(sessions.hear(&owner(1), 1, at(2)), Heard::Superseded);
        assert_eq!(sessions.hear(&owner(1), 3, at(3)), Heard::Newer);
        assert_eq!(sessions.check(&owner(1), 2), Heard::Superseded);
        assert_eq!(sessions.check(&owner(2), 1), Heard::Newer);
    }

    #[test]
    fn a_superseded_incarnation_is_no_sign_of_life() {
        let mut sessions = Sessions::new(RHYTHM);
        sessions.hear(&owner(1), 2, at(0));
        sessions.hear(&owner(1), 1, at(15));
        assert_eq!(sessions.take_silent(at(16)), [owner(1)]);
    }

    #[test]
    fn silence_beyond_the_limit_ends_a_session_once() {
        let mut sessions = Sessions::new(RHYTHM);
        sessions.hear(&owner(1), 1, at(0));
        sessions.hear(&owner(2), 1, at(5));
        assert!(sessions.take_silent(at(15)).is_empty());
        assert_eq!(sessions.take_silent(at(16)), [owner(1)]);
        assert!(sessions.take_silent(at(16)).is_empty());
        assert_eq!(sessions.len(), 1);
    }

    #[test]
    fn after_a_start_every_holder_has_one_whole_limit() {
        let mut sessions = Sessions::new(RHYTHM);
        sessions.expect(owner(1), 4, at(100));
        assert_eq!(sessions.check(&owner(1), 3), Heard::Superseded);
        assert!(sessions.take_silent(at(115)).is_empty());
        assert_eq!(sessions.take_silent(at(116)), [owner(1)]);
    }

    #[test]
    fn a_greeting_is_compared_once_a_limit_later_with_what_was_announced_meanwhile() {
        let mut sessions = Sessions::new(RHYTHM);
        sessions.hear(&owner(1), 1, at(0));
        sessions.greet(&owner(1), [job(1)], at(0));
        sessions.announce(&owner(1), [job(2)]);
        assert!(sessions.take_comparisons(at(14)).is_empty());
        let compared = sessions.take_comparisons(at(15));
        let announced = HashSet::from([job(1), job(2)]);
        assert_eq!(
            compared,
            [Comparison {
                owner: owner(1),
                announced,
                greeted_ago: at(15)
            }]
        );
        assert!(sessions.take_comparisons(at(30)).is_empty());
    }

    #[test]
    fn a_newer_start_forgets_what_the_older_one_announced() {
        let mut sessions = Sessions::new(RHYTHM);
        sessions.hear(&owner(1), 1, at(0));
        sessions.greet(&owner(1), [job(1)], at(0));
        sessions.hear(&owner(1), 2, at(1));
        assert!(sessions.take_comparisons(at(60)).is_empty());
    }

    #[test]
    fn a_row_is_rewritten_every_third_of_the_limit() {
        let mut sessions = Sessions::new(RHYTHM);
        sessions.hear(&owner(1), 1, at(0));
        let due: Vec<bool> = (0..12)
            .map(|second| sessions.take_record_due(&owner(1), at(second)))
            .collect();
        let expected = [0, 5, 10].map(|second| second);
        assert!(
            due.iter()
                .enumerate()
                .all(|(second, due)| *due == expected.contains(&second))
        );
        assert!(!sessions.take_record_due(&owner(9), at(0)));
    }
}
