//! Opens a job with its first leases.

use super::{Current, Due, JobWithLeases, Saved, Step, lease_record};
use crate::domain::audit::{Event, Record};
use crate::domain::job::{End, Job, Opening, Owner};
use crate::domain::lease::Lease;
use taskpass_proto::ids::JobId;

/// A job that policy lets in.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The id that the client made.
    pub id: JobId,
    /// Who asks.
    pub owner: Owner,
    /// How it is to be opened.
    pub opening: Opening,
    /// Its first leases, active.
    pub leases: Vec<Lease>,
    /// How many jobs of this workload and task may be open, this one included.
    pub live_limit: u32,
    /// The record of the decision.
    pub record: Record,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Opened {
    /// It is open.
    New,
    /// The same request had opened it before: here is what is recorded.
    Repeated(Box<JobWithLeases>),
    /// The same request had opened it, or its owner had closed it; it is over.
    Ended(End),
    /// The id is in use with other content or by somebody else.
    IdReused,
    /// Too many jobs are open.
    LiveLimit,
}

/// Opens a job, unless its id or its workload's limit stands in the way.
pub fn open(current: &Current<'_>, candidate: &Candidate) -> Step<Opened> {
    if let Some(known) = current.job {
        return Step::nothing(repeated(known, candidate));
    }
    let live = (current.live_jobs)(&candidate.owner.subject, &candidate.opening.task);
    if live >= candidate.live_limit {
        return Step::nothing(Opened::LiveLimit);
    }
    let job = Job::open(
        candidate.id,
        candidate.owner.clone(),
        candidate.opening.clone(),
    );
    let mut records = vec![candidate.record.clone()];
    records.extend(candidate.leases.iter().map(|lease| {
        let issued = lease_record(Event::LeaseIssued, candidate.opening.opened_at, &job, lease);
        Record {
            decision: candidate.record.decision.clone(),
            ..issued
        }
    }));
    let due = next_due(&candidate.opening, &candidate.leases);
    Step {
        saved: Saved {
            job: Some(job),
            leases: candidate.leases.clone(),
            records,
            due: Due::At(due),
        },
        answer: Opened::New,
    }
}

fn repeated(known: &JobWithLeases, candidate: &Candidate) -> Opened {
    if known.job.owner != candidate.owner {
        return Opened::IdReused;
    }
    let same_request = known
        .job
        .opening()
        .is_none_or(|opening| opening.request == candidate.opening.request);
    match known.job.ended() {
        _ if !same_request => Opened::IdReused,
        Some(end) => Opened::Ended(end),
        None => Opened::Repeated(Box::new(known.clone())),
    }
}

/// The first moment at which the clock has something to do for an open job.
pub fn next_due(opening: &Opening, leases: &[Lease]) -> crate::domain::time::UnixMillis {
    let expiries = leases
        .iter()
        .filter_map(Lease::active)
        .map(|term| term.expires_at);
    expiries.fold(opening.ends_by, Ord::min)
}

#[cfg(test)]
mod tests {
    use super::super::sample::{self, NOW};
    use super::*;
    use crate::domain::cause::Cause;
    use std::time::Duration;

    fn run(current: Option<&JobWithLeases>, live: u32, candidate: &Candidate) -> Step<Opened> {
        open(
            &Current {
                job: current,
                live_jobs: &|_, _| live,
            },
            candidate,
        )
    }

    #[test]
    fn records_the_decision_and_every_lease() {
        let candidate = sample::candidate();
        let step = run(None, 0, &candidate);
        assert_eq!(step.answer, Opened::New);
        let events: Vec<_> = step
            .saved
            .records
            .iter()
            .map(|record| record.event)
            .collect();
        assert_eq!(
            events,
            [Event::JobOpened, Event::LeaseIssued, Event::LeaseIssued]
        );
        assert_eq!(step.saved.leases.len(), 2);
        assert_eq!(step.saved.due, Due::At(NOW.plus(Duration::from_secs(60))));
    }

    #[test]
    fn answers_a_repeated_request_with_what_is_recorded() {
        let step = run(Some(&sample::open_job()), 100, &sample::candidate());
        assert_eq!(step.answer, Opened::Repeated(Box::new(sample::open_job())));
        assert_eq!(step.saved, Saved::default());
    }

    #[test]
    fn refuses_an_id_that_is_in_use() {
        let mut other_content = sample::candidate();
        other_content.opening.request = [9; 32];
        let mut other_holder = sample::candidate();
        other_holder.owner.holder = sample::owner(8).holder;
        for candidate in [other_content, other_holder] {
            let step = run(Some(&sample::open_job()), 0, &candidate);
            assert_eq!(step, Step::nothing(Opened::IdReused));
        }
    }

    #[test]
    fn keeps_an_id_closed_that_was_closed_before_it_was_opened() {
        let end = End {
            cause: Cause::JobClosed,
            at: NOW,
        };
        let job = Job::closed_before_opening(sample::job_id(), sample::owner(1), end);
        let step = run(
            Some(&JobWithLeases {
                job,
                leases: vec![],
            }),
            0,
            &sample::candidate(),
        );
        assert_eq!(step, Step::nothing(Opened::Ended(end)));
    }

    #[test]
    fn stops_at_the_limit_of_live_jobs() {
        let candidate = Candidate {
            live_limit: 3,
            ..sample::candidate()
        };
        assert_eq!(run(None, 2, &candidate).answer, Opened::New);
        assert_eq!(run(None, 3, &candidate), Step::nothing(Opened::LiveLimit));
    }
}
