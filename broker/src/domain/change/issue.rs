//! Issues more leases to an open job.

use serde_json::Value;
use taskpass_proto::limits::MAX_LEASES_PER_JOB;

use super::{Current, Due, Saved, Step, lease_record};
use crate::domain::audit::{Event, Record};
use crate::domain::job::{End, Owner};
use crate::domain::lease::{Lease, Term, Terms};
use crate::domain::time::UnixMillis;
use taskpass_proto::ids::LeaseId;

/// Credentials that policy adds to a job.
#[derive(Debug, Clone)]
pub struct Addition {
    /// Who asks.
    pub owner: Owner,
    /// What was granted, and for how long the first generation lives.
    pub grants: Vec<(Terms, Term)>,
    /// How many jobs of this workload and task may be open for it, this one included.
    pub live_limit: u32,
    /// The decision.
    pub decision: String,
    /// Hash of the policy snapshot.
    pub policy: String,
    /// What the log keeps of the decision: a JSON object, told once, with the first lease.
    pub details: Value,
    /// When.
    pub at: UnixMillis,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Issued {
    /// These leases are active.
    New(Vec<Lease>),
    /// No such job of this owner.
    JobUnknown,
    /// The job is over.
    JobEnded(End),
    /// The job would have too many leases.
    TooMany,
    /// More jobs are open than these credentials are granted beside.
    LiveLimit,
}

/// Adds leases to a job, numbered after those that it has.
pub fn issue(current: &Current<'_>, addition: &Addition) -> Step<Issued> {
    let Some(known) = current
        .job
        .filter(|known| known.job.owner == addition.owner)
    else {
        return Step::nothing(Issued::JobUnknown);
    };
    // INVARIANT: the mark is read in the transaction that records the lease; a job that has just ended
    // gets nothing more.
    if let Some(end) = known.job.ended() {
        return Step::nothing(Issued::JobEnded(end));
    }
    // INVARIANT: held to here as at opening; otherwise a workload opens many jobs with another credential, and
    // asks for this one in each. The job itself is open, and counted.
    let live = known.job.as_open().map_or(0, |opening| {
        (current.live_jobs)(&known.job.owner.subject, &opening.task)
    });
    if live > addition.live_limit {
        return Step::nothing(Issued::LiveLimit);
    }
    if known.leases.len() + addition.grants.len() > MAX_LEASES_PER_JOB {
        return Step::nothing(Issued::TooMany);
    }
    let next = known
        .leases
        .iter()
        .map(|lease| lease.id.number())
        .max()
        .unwrap_or(0);
    let leases: Vec<Lease> = (next + 1..)
        .zip(&addition.grants)
        .filter_map(|(number, (terms, term))| {
            let id = LeaseId::new(known.job.id, number);
            Lease::intent(id, terms.clone()).activate(*term).ok()
        })
        .collect();
    let mut records: Vec<Record> = leases
        .iter()
        .map(|lease| Record {
            decision: Some(addition.decision.clone()),
            policy: Some(addition.policy.clone()),
            outcome: Some("allowed"),
            ..lease_record(Event::LeaseIssued, addition.at, &known.job, lease)
        })
        .collect();
    let first = records
        .first_mut()
        .and_then(|first| first.details.as_object_mut());
    if let (Some(first), Some(details)) = (first, addition.details.as_object()) {
        first.extend(details.clone());
    }
    let due = leases
        .iter()
        .filter_map(Lease::active)
        .map(|term| term.expires_at)
        .min();
    Step {
        saved: Saved {
            job: None,
            records,
            due: due.map_or(Due::AsBefore, Due::NoLaterThan),
            leases: leases.clone(),
        },
        answer: Issued::New(leases),
    }
}

#[cfg(test)]
mod tests {
    use super::super::JobWithLeases;
    use super::super::sample::{self, NOW};
    use super::*;
    use crate::domain::cause::Cause;

    fn addition(owner: Owner, count: u64) -> Addition {
        let lease = sample::lease(1, 30);
        let grant = (lease.terms.clone(), lease.active().unwrap());
        Addition {
            owner,
            grants: (0..count).map(|_| grant.clone()).collect(),
            live_limit: 3,
            decision: "dec".into(),
            policy: "policy".into(),
            details: serde_json::json!({ "decision": "why" }),
            at: NOW,
        }
    }

    fn run(job: Option<&JobWithLeases>, addition: &Addition) -> Step<Issued> {
        run_among(1, job, addition)
    }

    fn run_among(live: u32, job: Option<&JobWithLeases>, addition: &Addition) -> Step<Issued> {
        issue(
            &Current {
                job,
                live_jobs: &|_, _| live,
            },
            addition,
        )
    }

    #[test]
    fn numbers_on_after_the_leases_that_are_there() {
        let step = run(Some(&sample::open_job()), &addition(sample::owner(1), 2));
        let Issued::New(leases) = step.answer else {
            panic!("{:?}", step.answer)
        };
        assert_eq!(
            leases
                .iter()
                .map(|lease| lease.id.number())
                .collect::<Vec<_>>(),
            [3, 4]
        );
        let decisions = step
            .saved
            .records
            .iter()
            .map(|record| record.details.get("decision"));
        assert!(
            decisions.eq([Some(&"why".into()), None]),
            "{:?}",
            step.saved.records
        );
        assert_eq!(
            step.saved.due,
            Due::NoLaterThan(NOW.plus(std::time::Duration::from_secs(30)))
        );
    }

    #[test]
    fn tells_a_stranger_what_it_tells_of_no_job() {
        let stranger = addition(sample::owner(2), 1);
        assert_eq!(
            run(Some(&sample::open_job()), &stranger),
            run(None, &stranger)
        );
    }

    #[test]
    fn gives_nothing_to_a_job_that_has_ended() {
        let end = End {
            cause: Cause::JobClosed,
            at: NOW,
        };
        let JobWithLeases { job, leases } = sample::open_job();
        let ended = JobWithLeases {
            job: job.end(end).unwrap(),
            leases,
        };
        let step = run(Some(&ended), &addition(sample::owner(1), 1));
        assert_eq!(step, Step::nothing(Issued::JobEnded(end)));
    }

    #[test]
    fn stops_at_the_limit_of_leases() {
        let step = run(Some(&sample::open_job()), &addition(sample::owner(1), 31));
        assert_eq!(step, Step::nothing(Issued::TooMany));
        let step = run(Some(&sample::open_job()), &addition(sample::owner(1), 30));
        assert!(matches!(step.answer, Issued::New(_)));
    }
    #[test]
    fn gives_nothing_that_is_not_granted_beside_so_many_jobs() {
        let addition = addition(sample::owner(1), 1);
        for live in 1..=3 {
            let step = run_among(live, Some(&sample::open_job()), &addition);
            assert!(matches!(step.answer, Issued::New(_)), "{live}");
        }
        let step = run_among(4, Some(&sample::open_job()), &addition);
        assert_eq!(step, Step::nothing(Issued::LiveLimit));
    }
}
