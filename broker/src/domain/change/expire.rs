//! Does whatever is due by the clock for one job: ends it, ends leases that ran out, forgets it.

use std::time::Duration;

use serde_json::json;

use super::end::{Authority, Ended, Ending, end};
use super::open::next_due;
use super::{Current, Due, Saved, Step, lease_end_record};
use crate::domain::cause::Cause;
use crate::domain::job::{End, Liveness, Opening, Owner};
use crate::domain::lease::Lease;
use crate::domain::time::UnixMillis;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expired {
    /// The job ended now.
    Job(Owner, Cause),
    /// This many of its leases ended; the job goes on.
    Leases(usize),
    /// It ended long enough ago, and is forgotten.
    Forgotten,
    /// Nothing was due yet.
    Nothing,
}

/// Looks at one job at `now`; ended jobs are kept for `retention`.
pub fn expire(current: &Current<'_>, now: UnixMillis, retention: Duration) -> Step<Expired> {
    let Some(known) = current.job else {
        return forget();
    };
    if let Some(ended) = known.job.ended() {
        let keep_until = ended.at.plus(retention);
        return if keep_until <= now {
            forget()
        } else {
            let saved = Saved {
                due: Due::At(keep_until),
                ..Saved::default()
            };
            Step {
                saved,
                answer: Expired::Nothing,
            }
        };
    }
    let Some(opening) = known.job.as_open() else {
        return Step::nothing(Expired::Nothing);
    };
    if opening.ends_by <= now {
        let cause = cause_of_end(opening);
        let ending = Ending {
            id: known.job.id,
            authority: Authority::Broker,
            end: End { cause, at: now },
            details: json!({ "ends_by": opening.ends_by }),
        };
        let step = end(current, &ending);
        let answer = match step.answer {
            Ended::Now(owner) => Expired::Job(owner, cause),
            Ended::Before(_) | Ended::Foreign | Ended::Unknown => Expired::Nothing,
        };
        let saved = Saved {
            due: Due::At(now.plus(retention)),
            ..step.saved
        };
        return Step { saved, answer };
    }
    let over = |lease: &&Lease| lease.active().is_some_and(|term| term.expires_at <= now);
    let ended: Vec<Lease> = known
        .leases
        .iter()
        .filter(over)
        .filter_map(|lease| lease.clone().end_here(Cause::Ttl, now).ok())
        .collect();
    let live: Vec<Lease> = known.leases.iter().filter(|l| !over(l)).cloned().collect();
    let records = ended
        .iter()
        .map(|lease| lease_end_record(now, &known.job, lease))
        .collect();
    let answer = if ended.is_empty() {
        Expired::Nothing
    } else {
        Expired::Leases(ended.len())
    };
    let due = Due::At(next_due(opening, &live));
    Step {
        saved: Saved {
            job: None,
            leases: ended,
            records,
            due,
        },
        answer,
    }
}

fn forget() -> Step<Expired> {
    let saved = Saved {
        due: Due::Forget,
        ..Saved::default()
    };
    Step {
        saved,
        answer: Expired::Forgotten,
    }
}

/// A job that nobody announces ends with its first credentials; any other at its task's maximum.
fn cause_of_end(opening: &Opening) -> Cause {
    match opening.liveness {
        Liveness::None => Cause::Ttl,
        Liveness::Heartbeat => Cause::MaxDuration,
    }
}

#[cfg(test)]
mod tests {
    use super::super::JobWithLeases;
    use super::super::sample::{self, NOW};
    use super::*;

    const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

    fn run(job: Option<&JobWithLeases>, after_seconds: u64) -> Step<Expired> {
        let now = NOW.plus(Duration::from_secs(after_seconds));
        expire(
            &Current {
                job,
                live_jobs: &|_, _| 0,
            },
            now,
            WEEK,
        )
    }

    #[test]
    fn ends_the_leases_that_ran_out_and_looks_again_at_the_next() {
        let job = sample::open_job();
        let early = run(Some(&job), 59);
        assert_eq!(early.answer, Expired::Nothing);
        assert_eq!(early.saved.due, Due::At(NOW.plus(Duration::from_secs(60))));
        let first = run(Some(&job), 60);
        assert_eq!(first.answer, Expired::Leases(1));
        assert_eq!(first.saved.leases[0].state.cause(), Some(Cause::Ttl));
        assert_eq!(first.saved.records.len(), 1);
        assert_eq!(first.saved.due, Due::At(NOW.plus(Duration::from_secs(120))));
        let both = run(Some(&job), 120);
        assert_eq!(both.answer, Expired::Leases(2));
        assert_eq!(both.saved.due, Due::At(NOW.plus(Duration::from_secs(600))));
    }

    #[test]
    fn ends_the_job_at_its_maximum_and_at_its_credentials_end_when_nobody_announces_it() {
        for (liveness, cause) in [
            (Liveness::Heartbeat, Cause::MaxDuration),
            (Liveness::None, Cause::Ttl),
        ] {
            let mut candidate = sample::candidate();
            candidate.opening.liveness = liveness;
            let JobWithLeases { leases, .. } = sample::open_job();
            let job = crate::domain::job::Job::open(
                candidate.id,
                candidate.owner.clone(),
                candidate.opening,
            );
            let step = run(Some(&JobWithLeases { job, leases }), 600);
            assert_eq!(step.answer, Expired::Job(candidate.owner, cause));
            assert_eq!(step.saved.records.len(), 3);
            assert!(step.saved.job.unwrap().ended().is_some());
        }
    }

    #[test]
    fn keeps_an_ended_job_for_the_retention_and_then_forgets_it() {
        let JobWithLeases { job, leases } = sample::open_job();
        let end = End {
            cause: Cause::JobClosed,
            at: NOW,
        };
        let ended = JobWithLeases {
            job: job.end(end).unwrap(),
            leases,
        };
        assert_eq!(run(Some(&ended), 60).saved.due, Due::At(NOW.plus(WEEK)));
        assert_eq!(
            run(Some(&ended), WEEK.as_secs() - 1).saved.due,
            Due::At(NOW.plus(WEEK))
        );
        assert_eq!(run(Some(&ended), WEEK.as_secs()).saved.due, Due::Forget);
        assert_eq!(run(None, 0).answer, Expired::Forgotten);
    }
}
