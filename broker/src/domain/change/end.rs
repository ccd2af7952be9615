//! Ends a job: one mark, and with it every lease.

use serde_json::json;
use taskpass_proto::ids::JobId;

use super::{Current, Due, Saved, Step, end_leases, lease_end_record};
use crate::domain::audit::{Event, Record};
use crate::domain::job::{End, Job, Owner};

/// A job's end, as somebody wants it.
#[derive(Debug, Clone)]
pub struct Ending {
    /// The job.
    pub id: JobId,
    /// On whose word.
    pub authority: Authority,
    /// Why and when.
    pub end: End,
    /// More about it, for the audit log.
    pub details: serde_json::Value,
}

/// On whose word a job ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authority {
    /// Its owner's; nobody else can.
    Owner(Owner),
    /// The broker's own: the clock, silence, a ban, an operator.
    Broker,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// It ended now. `owner` is told if the word was not theirs.
    Now(Owner),
    /// It had ended before, like this.
    Before(End),
    /// It is somebody else's: nothing happened, and the caller is told the same as of an unknown id.
    Foreign,
    /// There is no such job, and the broker makes no mark for what nobody asked to close.
    Unknown,
}

/// Ends a job, or marks an id closed that was not opened yet.
pub fn end(current: &Current<'_>, ending: &Ending) -> Step<Ended> {
    match (current.job, &ending.authority) {
        (Some(known), Authority::Owner(owner)) if known.job.owner != *owner => Step {
            saved: Saved {
                records: vec![denial(ending, owner)],
                ..Saved::default()
            },
            answer: Ended::Foreign,
        },
        (Some(known), _) => match known.job.clone().end(ending.end) {
            Err(first) => Step::nothing(Ended::Before(first.0)),
            Ok(job) => {
                let leases = end_leases(&known.leases, ending.end.cause, ending.end.at);
                let ends = leases
                    .iter()
                    .map(|lease| lease_end_record(ending.end.at, &job, lease));
                let records = std::iter::once(record(ending, &job)).chain(ends).collect();
                let owner = job.owner.clone();
                Step {
                    saved: Saved {
                        job: Some(job),
                        leases,
                        records,
                        due: Due::AsBefore,
                    },
                    answer: Ended::Now(owner),
                }
            }
        },
        (None, Authority::Owner(owner)) => {
            let job = Job::closed_before_opening(ending.id, owner.clone(), ending.end);
            Step {
                saved: Saved {
                    records: vec![record(ending, &job)],
                    job: Some(job),
                    leases: vec![],
                    due: Due::At(ending.end.at),
                },
                answer: Ended::Now(owner.clone()),
            }
        }
        (None, Authority::Broker) => Step::nothing(Ended::Unknown),
    }
}

fn record(ending: &Ending, job: &Job) -> Record {
    Record {
        subject: Some(job.owner.subject.clone()),
        task: job.opening().map(|opening| opening.task.to_string()),
        job: Some(job.id),
        cause: Some(ending.end.cause),
        details: ending.details.clone(),
        ..Record::new(Event::JobEnded, ending.end.at)
    }
}

fn denial(ending: &Ending, caller: &Owner) -> Record {
    Record {
        subject: Some(caller.subject.clone()),
        job: Some(ending.id),
        outcome: Some("JOB_UNKNOWN"),
        details: json!({ "why": "the job belongs to another workload or holder" }),
        ..Record::new(Event::JobEndDenied, ending.end.at)
    }
}

#[cfg(test)]
mod tests {
    use super::super::JobWithLeases;
    use super::super::sample::{self, NOW};
    use super::*;
    use crate::domain::cause::Cause;
    use crate::domain::lease::LeaseState;

    const END: End = End {
        cause: Cause::ProcessExited,
        at: NOW,
    };

    fn ending(authority: Authority) -> Ending {
        Ending {
            id: sample::job_id(),
            authority,
            end: END,
            details: json!({}),
        }
    }

    fn run(job: Option<&JobWithLeases>, ending: &Ending) -> Step<Ended> {
        end(
            &Current {
                job,
                live_jobs: &|_, _| 0,
            },
            ending,
        )
    }

    #[test]
    fn ends_every_lease_with_the_job_and_records_each() {
        for authority in [Authority::Owner(sample::owner(1)), Authority::Broker] {
            let step = run(Some(&sample::open_job()), &ending(authority));
            assert_eq!(step.answer, Ended::Now(sample::owner(1)));
            assert_eq!(step.saved.job.unwrap().ended(), Some(END));
            assert_eq!(step.saved.leases.len(), 2);
            for lease in &step.saved.leases {
                assert!(matches!(
                    lease.state,
                    LeaseState::Ended {
                        cause: Cause::ProcessExited,
                        at: NOW,
                        ..
                    }
                ));
            }
            let events: Vec<_> = step
                .saved
                .records
                .iter()
                .map(|r| (r.event, r.cause))
                .collect();
            let cause = Some(Cause::ProcessExited);
            let expected = [Event::JobEnded, Event::LeaseEnded, Event::LeaseEnded];
            assert_eq!(events, expected.map(|event| (event, cause)));
        }
    }

    #[test]
    fn keeps_the_first_end() {
        let JobWithLeases { job, leases } = sample::open_job();
        let first = End {
            cause: Cause::Operator,
            at: NOW,
        };
        let ended = JobWithLeases {
            job: job.end(first).unwrap(),
            leases,
        };
        let step = run(Some(&ended), &ending(Authority::Owner(sample::owner(1))));
        assert_eq!(step, Step::nothing(Ended::Before(first)));
    }

    #[test]
    fn a_stranger_changes_nothing_and_is_recorded() {
        let step = run(
            Some(&sample::open_job()),
            &ending(Authority::Owner(sample::owner(2))),
        );
        assert_eq!(step.answer, Ended::Foreign);
        assert!(step.saved.job.is_none() && step.saved.leases.is_empty());
        assert_eq!(step.saved.records[0].event, Event::JobEndDenied);
    }

    #[test]
    fn marks_an_unopened_id_closed_for_its_owner_only() {
        let step = run(None, &ending(Authority::Owner(sample::owner(1))));
        assert_eq!(step.saved.job.unwrap().ended(), Some(END));
        assert_eq!(
            run(None, &ending(Authority::Broker)),
            Step::nothing(Ended::Unknown)
        );
    }
}
