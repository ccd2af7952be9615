//! Repeated denials: the first of each request is recorded whole, the rest of a minute as one record with a count.

use std::collections::HashMap;
use std::time::Duration;

use ring::digest::{Context, SHA256};
use serde_json::Value;
use taskpass_identity::SpiffeId;

use super::audit::Record;

/// How long denials of the same kind are counted together.
pub const WINDOW: Duration = Duration::from_secs(60);
/// How many different requests of one kind are told apart within the window.
pub const MAX_REQUESTS: usize = 16;
/// How many counts are kept at once; beyond, each denial is recorded whole.
const MAX_COUNTS: usize = 10_000;

/// What denials are counted by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DenialKind {
    /// The workload.
    pub subject: SpiffeId,
    /// The task, as asked for.
    pub task: String,
    /// The reason's code.
    pub reason: &'static str,
}

/// Tells one request from another within a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestDigest([u8; 32]);

/// Counts denials.
#[derive(Debug, Default)]
pub struct DenialWindow {
    kinds: HashMap<DenialKind, Minute>,
    counts: usize,
}

/// The denials of one kind since the first.
#[derive(Debug)]
struct Minute {
    since: Duration,
    /// At most [`MAX_REQUESTS`].
    requests: Vec<(RequestDigest, Count)>,
    /// Whatever else is asked for.
    others: Option<Count>,
}

#[derive(Debug)]
struct Count {
    repeats: u64,
    decision: String,
}

/// What to do with a denial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    /// Record it whole under this decision.
    Record,
    /// The same, and say that it stands for all other requests of its kind from now on.
    RecordForOthers,
    /// It was counted; the record of the first stands for it.
    Counted {
        /// The first one's decision.
        decision: String,
    },
}

/// A count that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeated {
    /// What was denied.
    pub kind: DenialKind,
    /// How often, after the first.
    pub repeats: u64,
    /// The first one's decision.
    pub decision: String,
    /// Whether the requests differed from one another; otherwise they were all the same.
    pub are_different: bool,
}

impl DenialWindow {
    /// Takes a denial at `now` since boot.
    pub fn take(
        &mut self,
        kind: DenialKind,
        request: RequestDigest,
        decision: &str,
        now: Duration,
    ) -> Denial {
        let is_full = self.counts >= MAX_COUNTS;
        let Some(minute) = self.kinds.get_mut(&kind) else {
            if !is_full {
                self.counts += 1;
                self.kinds.insert(kind, Minute::new(request, decision, now));
            }
            return Denial::Record;
        };
        // Over and not flushed yet: this denial speaks for itself.
        if now.saturating_sub(minute.since) >= WINDOW {
            return Denial::Record;
        }
        let has_room = minute.requests.len() < MAX_REQUESTS;
        let known = minute.requests.iter_mut().find(|(of, _)| *of == request);
        let counted = match (known, &mut minute.others) {
            (Some((_, count)), _) => Some(count),
            (None, Some(others)) if !has_room => Some(others),
            (None, _) => None,
        };
        if let Some(count) = counted {
            count.repeats += 1;
            return Denial::Counted {
                decision: count.decision.clone(),
            };
        }
        if is_full {
            return Denial::Record;
        }
        self.counts += 1;
        let first = Count::first(decision);
        if has_room {
            minute.requests.push((request, first));
            Denial::Record
        } else {
            minute.others = Some(first);
            Denial::RecordForOthers
        }
    }

    /// Takes out the counts whose minute is over; those without a repeat are forgotten.
    pub fn flush(&mut self, now: Duration) -> Vec<Repeated> {
        let over = self
            .kinds
            .extract_if(|_, minute| now.saturating_sub(minute.since) >= WINDOW);
        let mut repeated = Vec::new();
        for (kind, minute) in over {
            let same = minute.requests.into_iter().map(|(_, count)| (count, false));
            let others = minute.others.map(|count| (count, true));
            for (count, are_different) in same.chain(others) {
                self.counts = self.counts.saturating_sub(1);
                if count.repeats > 0 {
                    repeated.push(Repeated {
                        kind: kind.clone(),
                        repeats: count.repeats,
                        decision: count.decision,
                        are_different,
                    });
                }
            }
        }
        repeated
    }
}

impl RequestDigest {
    /// What makes a request the same in the eyes of whoever looks a denial up: what was asked (to open, to be
    /// issued more, to renew), the parameters, and the credentials that were wanted, with scopes and lifetimes.
    ///
    /// Each attempt to open a job has an id of its own, so ids count only where there was nothing else.
    pub fn of(denied: &Record) -> Self {
        let member = |name| denied.details.get(name).unwrap_or(&Value::Null);
        let (parameters, wanted) = (member("parameters"), member("wanted"));
        let mut context = Context::new(&SHA256);
        let mut part = |text: &str| {
            context.update(&(text.len() as u64).to_be_bytes());
            context.update(text.as_bytes());
        };
        part(denied.event.as_str());
        part(&parameters.to_string());
        part(&wanted.to_string());
        if parameters.is_null() {
            part(&denied.job.map(|job| job.to_string()).unwrap_or_default());
            part(
                &denied
                    .lease
                    .map(|lease| lease.to_string())
                    .unwrap_or_default(),
            );
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(context.finish().as_ref());
        Self(digest)
    }
}

impl Minute {
    fn new(request: RequestDigest, decision: &str, now: Duration) -> Self {
        Self {
            since: now,
            requests: vec![(request, Count::first(decision))],
            others: None,
        }
    }
}

impl Count {
    fn first(decision: &str) -> Self {
        Self {
            repeats: 0,
            decision: decision.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::json;
    use taskpass_proto::ids::JobId;

    use super::*;
    use crate::domain::audit::Event;
    use crate::domain::time::UnixMillis;

    fn kind(reason: &'static str) -> DenialKind {
        let subject = "spiffe://acme.example/a".parse().unwrap();
        DenialKind {
            subject,
            task: "deploy".into(),
            reason,
        }
    }

    fn request(number: usize) -> RequestDigest {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&number.to_be_bytes());
        RequestDigest(digest)
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn counted(decision: &str) -> Denial {
        Denial::Counted {
            decision: decision.into(),
        }
    }

    #[test]
    fn records_the_first_and_counts_the_rest_of_a_minute() {
        let mut window = DenialWindow::default();
        let mut take = |reason, decision, seconds| {
            window.take(kind(reason), request(1), decision, at(seconds))
        };
        assert_eq!(take("A", "dec_1", 0), Denial::Record);
        assert_eq!(take("A", "dec_2", 1), counted("dec_1"));
        assert_eq!(take("A", "dec_3", 59), counted("dec_1"));
        assert_eq!(take("B", "dec_4", 59), Denial::Record);
        assert!(window.flush(at(59)).is_empty());
        let repeated = Repeated {
            kind: kind("A"),
            repeats: 2,
            decision: "dec_1".into(),
            are_different: false,
        };
        assert_eq!(window.flush(at(60)), [repeated]);
        let again = window.take(kind("A"), request(1), "dec_5", at(61));
        assert_eq!(again, Denial::Record);
    }

    #[test]
    fn counts_only_the_same_request_under_the_first_ones_decision() {
        let mut window = DenialWindow::default();
        let mut take = |number, decision| window.take(kind("A"), request(number), decision, at(0));
        assert_eq!(take(1, "dec_1"), Denial::Record);
        assert_eq!(take(2, "dec_2"), Denial::Record);
        assert_eq!(take(2, "dec_3"), counted("dec_2"));
        assert_eq!(take(1, "dec_4"), counted("dec_1"));
        let repeated = window.flush(at(60));
        let decisions: HashSet<_> = repeated.iter().map(|r| (&*r.decision, r.repeats)).collect();
        assert_eq!(decisions, HashSet::from([("dec_1", 1), ("dec_2", 1)]));
    }

    #[test]
    fn beyond_a_few_different_requests_one_stands_for_all_others_and_says_so() {
        let mut window = DenialWindow::default();
        let mut take = |number: usize| {
            let decision = format!("dec_{number}");
            window.take(kind("A"), request(number), &decision, at(0))
        };
        for number in 0..MAX_REQUESTS {
            assert_eq!(take(number), Denial::Record);
        }
        assert_eq!(take(100), Denial::RecordForOthers);
        for number in 101..1_000 {
            assert_eq!(take(number), counted("dec_100"));
        }
        assert_eq!(take(3), counted("dec_3"), "what has a record keeps it");
        assert_eq!(window.counts, MAX_REQUESTS + 1);
        let repeated = window.flush(at(60));
        let told: HashSet<_> = repeated
            .iter()
            .map(|r| (&*r.decision, r.repeats, r.are_different))
            .collect();
        assert_eq!(
            told,
            HashSet::from([("dec_3", 1, false), ("dec_100", 899, true)])
        );
        assert_eq!(window.counts, 0);
    }

    #[test]
    fn loses_no_denial_when_too_many_are_counted() {
        let mut window = DenialWindow::default();
        for n in 0..MAX_COUNTS {
            let task = (n / 10).to_string();
            window.take(DenialKind { task, ..kind("A") }, request(n), "dec", at(0));
        }
        for (kind, number) in [(kind("B"), 0), (kind("B"), 0)] {
            let denial = window.take(kind, request(number), "dec", at(0));
            assert_eq!(denial, Denial::Record);
        }
        let task = "0".to_owned();
        let more = DenialKind { task, ..kind("A") };
        let denial = window.take(more.clone(), request(99_999), "dec", at(0));
        assert_eq!(denial, Denial::Record);
        assert_eq!(window.take(more, request(0), "dec", at(0)), counted("dec"));
        assert_eq!(window.counts, MAX_COUNTS);
        window.flush(at(60));
        assert_eq!(
            window.take(kind("B"), request(0), "dec", at(61)),
            Denial::Record
        );
        assert_eq!(
            window.take(kind("B"), request(0), "dec", at(61)),
            counted("dec")
        );
    }

    #[test]
    fn requests_are_the_same_when_they_ask_the_same_whatever_their_ids() {
        let job = |number| Some(JobId::new(0, [number; 10]));
        let denied = |event, job, details| {
            let record = Record {
                job,
                details,
                ..Record::new(event, UnixMillis::new(0))
            };
            RequestDigest::of(&record)
        };
        let asked = |reference: &str, lifetime: u64| {
            json!({
                "parameters": { "ref": reference },
                "wanted": [{ "name": "docs", "lifetime_ms": lifetime }],
                "decision": lifetime,
                "holder": reference,
            })
        };
        let first = denied(Event::JobDenied, job(1), asked("main", 1));
        assert_eq!(first, denied(Event::JobDenied, job(2), asked("main", 1)));
        for other in [
            denied(Event::JobDenied, job(1), asked("next", 1)),
            denied(Event::JobDenied, job(1), asked("main", 2)),
            denied(Event::LeaseDenied, job(1), asked("main", 1)),
        ] {
            assert_ne!(first, other);
        }
        // Of an unknown job nothing is known but its id.
        let unknown = |number| denied(Event::LeaseDenied, job(number), json!({}));
        assert_eq!(unknown(1), unknown(1));
        assert_ne!(unknown(1), unknown(2));
    }
}
