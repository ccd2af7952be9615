//! Ends one lease; its job goes on.

use taskpass_proto::ids::LeaseId;

use super::{Current, Saved, Step, lease_end_record};
use crate::domain::audit::Record;
use crate::domain::cause::Cause;
use crate::domain::time::UnixMillis;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseEnded {
    /// It ended now.
    Now,
    /// It had ended before, for this cause.
    Before(Cause),
    /// There is no such lease.
    Unknown,
}

/// Ends one lease on the broker's own word.
pub fn end_lease(
    current: &Current<'_>,
    id: LeaseId,
    cause: Cause,
    at: UnixMillis,
    details: &serde_json::Value,
) -> Step<LeaseEnded> {
    let found = current.job.and_then(|known| {
        known
            .leases
            .iter()
            .find(|lease| lease.id == id)
            .map(|lease| (&known.job, lease))
    });
    let Some((job, lease)) = found else {
        return Step::nothing(LeaseEnded::Unknown);
    };
    match (lease.state.cause(), lease.clone().end_here(cause, at)) {
        (None, Ok(ended)) => {
            let record = lease_end_record(at, job, &ended);
            Step {
                saved: Saved {
                    leases: vec![ended],
                    records: vec![Record {
                        details: details.clone(),
                        ..record
                    }],
                    ..Saved::default()
                },
                answer: LeaseEnded::Now,
            }
        }
        (Some(before), _) => Step::nothing(LeaseEnded::Before(before)),
        (None, Err(_)) => Step::nothing(LeaseEnded::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{self, NOW};
    use super::super::{Due, JobWithLeases};
    use super::*;

    fn run(job: Option<&JobWithLeases>, number: u16) -> Step<LeaseEnded> {
        let current = Current {
            job,
            live_jobs: &|_, _| 0,
        };
        let id = LeaseId::new(sample::job_id(), number);
        end_lease(&current, id, Cause::Operator, NOW, &serde_json::json!({}))
    }

    #[test]
    fn ends_that_lease_and_no_other() {
        let step = run(Some(&sample::open_job()), 2);
        assert_eq!(step.answer, LeaseEnded::Now);
        assert_eq!(step.saved.leases.len(), 1);
        assert_eq!(step.saved.leases[0].id.number(), 2);
        assert_eq!(step.saved.records[0].cause, Some(Cause::Operator));
        assert!(step.saved.job.is_none());
        assert_eq!(step.saved.due, Due::AsBefore);
    }

    #[test]
    fn keeps_the_first_cause_and_knows_what_is_not_there() {
        let mut job = sample::open_job();
        job.leases[1] = job.leases[1].clone().end_here(Cause::Ttl, NOW).unwrap();
        assert_eq!(
            run(Some(&job), 2),
            Step::nothing(LeaseEnded::Before(Cause::Ttl))
        );
        assert_eq!(run(Some(&job), 3), Step::nothing(LeaseEnded::Unknown));
        assert_eq!(run(None, 1), Step::nothing(LeaseEnded::Unknown));
    }
}
