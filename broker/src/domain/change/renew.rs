//! Renews a lease: the next generation under the same terms.

use taskpass_proto::ids::LeaseId;

use super::{Current, Due, Saved, Step, lease_record};
use crate::domain::audit::{Event, Record};
use crate::domain::binding::Thumbprint;
use crate::domain::job::{End, Owner};
use crate::domain::lease::{Lease, Term};
use crate::domain::time::UnixMillis;

/// A renewal that policy allows.
#[derive(Debug, Clone)]
pub struct Renewal {
    /// The lease.
    pub lease: LeaseId,
    /// Who asks.
    pub owner: Owner,
    /// The generation that the caller holds.
    pub expected: u32,
    /// When the next generation is issued and expires.
    pub issued_at: UnixMillis,
    /// Not after the grant, the job or the lease's own lifetime allow.
    pub expires_at: UnixMillis,
    /// What the next generation is bound to.
    pub bound_to: Option<Thumbprint>,
    /// The decision.
    pub decision: String,
    /// Hash of the policy snapshot.
    pub policy: String,
    /// The details of the decision, for the audit log.
    pub details: serde_json::Value,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Renewed {
    /// The lease with its next generation.
    Done(Box<Lease>),
    /// No such lease of this owner.
    LeaseUnknown,
    /// Its job is over.
    JobEnded(End),
    /// The lease is over.
    LeaseEnded,
    /// Another renewal came first.
    OtherGeneration {
        /// The current one.
        current: u32,
    },
}

/// Raises a lease's generation, if the caller knows the current one.
pub fn renew(current: &Current<'_>, renewal: &Renewal) -> Step<Renewed> {
    let owned = current.job.filter(|known| known.job.owner == renewal.owner);
    let lease = owned.and_then(|known| known.leases.iter().find(|l| l.id == renewal.lease));
    let (Some(known), Some(lease)) = (owned, lease) else {
        return Step::nothing(Renewed::LeaseUnknown);
    };
    // INVARIANT: the mark is read in the transaction that records the generation; after the job's end no
    // token leaves the broker.
    if let Some(end) = known.job.ended() {
        return Step::nothing(Renewed::JobEnded(end));
    }
    let Some(term) = lease
        .active()
        .filter(|term| renewal.issued_at < term.expires_at)
    else {
        return Step::nothing(Renewed::LeaseEnded);
    };
    if term.generation != renewal.expected {
        return Step::nothing(Renewed::OtherGeneration {
            current: term.generation,
        });
    }
    let next = Term {
        generation: term.generation.saturating_add(1),
        issued_at: renewal.issued_at,
        expires_at: renewal.expires_at,
    };
    let Ok(renewed) = lease.clone().renew(next, renewal.bound_to) else {
        return Step::nothing(Renewed::LeaseEnded);
    };
    let record = Record {
        decision: Some(renewal.decision.clone()),
        policy: Some(renewal.policy.clone()),
        outcome: Some("allowed"),
        details: renewal.details.clone(),
        ..lease_record(Event::LeaseRenewed, renewal.issued_at, &known.job, &renewed)
    };
    Step {
        saved: Saved {
            job: None,
            leases: vec![renewed.clone()],
            records: vec![record],
            due: Due::NoLaterThan(next.expires_at),
        },
        answer: Renewed::Done(Box::new(renewed)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::JobWithLeases;
    use super::super::sample::{self, NOW};
    use super::*;
    use crate::domain::cause::Cause;

    fn renewal(expected: u32) -> Renewal {
        let at = NOW.plus(Duration::from_secs(40));
        Renewal {
            lease: LeaseId::new(sample::job_id(), 1),
            owner: sample::owner(1),
            expected,
            issued_at: at,
            expires_at: at.plus(Duration::from_secs(60)),
            bound_to: None,
            decision: "dec".into(),
            policy: "policy".into(),
            details: serde_json::json!({}),
        }
    }

    fn run(job: Option<&JobWithLeases>, renewal: &Renewal) -> Step<Renewed> {
        renew(
            &Current {
                job,
                live_jobs: &|_, _| 0,
            },
            renewal,
        )
    }

    #[test]
    fn raises_the_generation_that_the_caller_holds() {
        let step = run(Some(&sample::open_job()), &renewal(1));
        let Renewed::Done(lease) = step.answer else {
            panic!("{:?}", step.answer)
        };
        assert_eq!(lease.active().unwrap().generation, 2);
        assert_eq!(step.saved.leases, [*lease]);
        assert_eq!(step.saved.records[0].event, Event::LeaseRenewed);
    }

    #[test]
    fn refuses_an_old_generation_and_one_to_come() {
        for expected in [0, 2] {
            let step = run(Some(&sample::open_job()), &renewal(expected));
            assert_eq!(step, Step::nothing(Renewed::OtherGeneration { current: 1 }));
        }
    }

    #[test]
    fn tells_a_stranger_what_it_tells_of_no_lease() {
        let stranger = Renewal {
            owner: sample::owner(2),
            ..renewal(1)
        };
        let absent = Renewal {
            lease: LeaseId::new(sample::job_id(), 9),
            ..renewal(1)
        };
        let unknown = Step::nothing(Renewed::LeaseUnknown);
        assert_eq!(run(Some(&sample::open_job()), &stranger), unknown);
        assert_eq!(run(Some(&sample::open_job()), &absent), unknown);
        assert_eq!(run(None, &renewal(1)), unknown);
    }

    #[test]
    fn gives_nothing_after_the_end_of_the_job_or_the_lease() {
        let end = End {
            cause: Cause::JobClosed,
            at: NOW,
        };
        let JobWithLeases { job, leases } = sample::open_job();
        let ended = JobWithLeases {
            job: job.end(end).unwrap(),
            leases,
        };
        assert_eq!(
            run(Some(&ended), &renewal(1)),
            Step::nothing(Renewed::JobEnded(end))
        );

        let mut revoked = sample::open_job();
        revoked.leases[0] = revoked.leases[0]
            .clone()
            .end_here(Cause::Operator, NOW)
            .unwrap();
        assert_eq!(
            run(Some(&revoked), &renewal(1)),
            Step::nothing(Renewed::LeaseEnded)
        );

        let late = Renewal {
            issued_at: NOW.plus(Duration::from_secs(60)),
            ..renewal(1)
        };
        assert_eq!(
            run(Some(&sample::open_job()), &late),
            Step::nothing(Renewed::LeaseEnded)
        );
    }
}
