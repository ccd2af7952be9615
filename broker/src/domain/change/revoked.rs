//! What verifiers have to be told of a change.

use super::{JobWithLeases, Saved};
use crate::domain::job::Job;
use crate::domain::lease::{Lease, LeaseState};
use crate::domain::revocation::{Revocation, Revoked, VERIFIER_LEEWAY};
use crate::domain::time::UnixMillis;

/// Finds the tokens that a change leaves unexpired and worthless, by comparing before and after.
///
/// INVARIANT: whichever change ends a lease, this sees it; no change has to remember to say so. A lease that
/// runs out by itself leaves nothing behind, and costs nothing here.
pub fn revoked(before: Option<&JobWithLeases>, saved: &Saved) -> Vec<Revocation> {
    let Some(before) = before else {
        return Vec::new();
    };
    let ended = before.leases.iter().filter(|lease| {
        let after = saved.leases.iter().find(|after| after.id == lease.id);
        lease.active().is_some() && after.is_some_and(|after| leaves_a_token(after, &before.job))
    });
    let job_ended = saved.job.as_ref().is_some_and(|job| job.ended().is_some());
    let mut revocations: Vec<Revocation> = Vec::new();
    for lease in ended {
        let audience = &lease.terms.audience;
        let until = last_expiry(lease, &before.job).plus(VERIFIER_LEEWAY);
        let same = revocations
            .iter_mut()
            .find(|known| job_ended && known.audience == *audience);
        if let Some(known) = same {
            known.until = known.until.max(until);
            continue;
        }
        revocations.push(Revocation {
            audience: audience.clone(),
            revoked: if job_ended {
                Revoked::Job(before.job.id)
            } else {
                Revoked::Lease(lease.id)
            },
            until,
        });
    }
    revocations
}

/// Whether a lease that is over now has a token out that is not.
fn leaves_a_token(after: &Lease, job: &Job) -> bool {
    match after.state {
        LeaseState::Intent | LeaseState::Active(_) => false,
        LeaseState::Revoking { .. } => true,
        LeaseState::Ended { at, .. } => at < last_expiry(after, job),
    }
}

/// When the last token of any generation expires, at the latest.
///
/// Not the newest generation's end: when policy shortens a lifetime, an older token outlives it.
fn last_expiry(lease: &Lease, job: &Job) -> UnixMillis {
    let Some(newest) = lease.newest() else {
        return UnixMillis::default();
    };
    let longest = newest.issued_at.plus(lease.terms.ttl);
    let within_job = job
        .opening()
        .map_or(longest, |opening| longest.min(opening.ends_by));
    within_job.floor_to_second().max(newest.expires_at)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::sample::{self, NOW};
    use super::*;
    use crate::domain::cause::Cause;
    use crate::domain::job::End;
    use crate::domain::lease::Term;

    const CAUSE: Cause = Cause::Operator;

    fn after(seconds: u64) -> UnixMillis {
        NOW.plus(Duration::from_secs(seconds))
    }

    fn ended(leases: &[Lease], at: UnixMillis) -> Saved {
        let ended = leases
            .iter()
            .map(|l| l.clone().end_here(CAUSE, at).unwrap());
        Saved {
            leases: ended.collect(),
            ..Saved::default()
        }
    }

    fn with_job(before: &JobWithLeases, at: UnixMillis) -> Saved {
        let end = End { cause: CAUSE, at };
        Saved {
            job: Some(before.job.clone().end(end).unwrap()),
            ..ended(&before.leases, at)
        }
    }

    #[test]
    fn a_job_is_told_once_for_each_audience_until_its_last_token_is_over() {
        let mut before = sample::open_job();
        let [one, until] = [60, 120].map(|ttl| after(ttl).plus(VERIFIER_LEEWAY));
        let revocation = |audience: &str, until| Revocation {
            audience: audience.into(),
            revoked: Revoked::Job(before.job.id),
            until,
        };
        let docs = "https://docs.acme.example";
        let expected = [revocation(docs, until)];
        assert_eq!(revoked(Some(&before), &with_job(&before, NOW)), expected);
        let tickets = "https://tickets.acme.example";
        let expected = [revocation(docs, one), revocation(tickets, until)];
        before.leases[1].terms.audience = tickets.into();
        assert_eq!(revoked(Some(&before), &with_job(&before, NOW)), expected);
    }

    #[test]
    fn a_lease_is_told_by_itself_while_its_job_goes_on() {
        let before = sample::open_job();
        let told = revoked(Some(&before), &ended(&before.leases[1..], NOW));
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].revoked, Revoked::Lease(before.leases[1].id));
    }

    #[test]
    fn what_has_expired_is_not_told() {
        let before = sample::open_job();
        // The first token lives 60 s, the second 120.
        for (seconds, expected) in [(59, 2), (60, 1), (119, 1), (120, 0), (500, 0)] {
            let told = revoked(Some(&before), &ended(&before.leases, after(seconds)));
            assert_eq!(told.len(), expected, "{seconds} s");
        }
    }

    #[test]
    fn an_older_token_that_outlives_its_renewal_is_told() {
        let mut before = sample::open_job();
        let next = Term {
            generation: 2,
            issued_at: after(40),
            expires_at: after(50),
        };
        before.leases[1] = before.leases[1].clone().renew(next, None).unwrap();
        // The first generation is good until 120 s; the renewed lease ends at 50.
        let told = revoked(Some(&before), &ended(&before.leases[1..], after(50)));
        assert!(told[0].until >= after(120).plus(VERIFIER_LEEWAY));
    }

    #[test]
    fn no_token_outlives_its_job() {
        let mut before = sample::open_job();
        before.leases[0].terms.ttl = Duration::from_secs(100_000);
        let told = revoked(Some(&before), &ended(&before.leases[..1], NOW));
        assert_eq!(told[0].until, after(600).plus(VERIFIER_LEEWAY));
    }

    #[test]
    fn changes_that_end_nothing_tell_nothing() {
        let before = sample::open_job();
        assert_eq!(revoked(None, &ended(&before.leases, NOW)), []);
        let renewed = Saved {
            leases: before.leases.clone(),
            ..Saved::default()
        };
        assert_eq!(revoked(Some(&before), &renewed), []);
        let mut over = before.clone();
        over.leases = ended(&before.leases, NOW).leases;
        assert_eq!(revoked(Some(&over), &with_job(&before, NOW)), []);
    }
}
