//! Whether today's policy would give a job again what it holds.

use std::time::Duration;

use taskpass_proto::reason::Reason;
use taskpass_proto::refusal::Refusal;

use super::job::{Job, Opening};
use super::lease::Lease;
use super::policy::{
    Circumstances, Decision, JobFacts, Outcome, Permitted, Policy, Request, Risk, Wanted,
};
use super::time::UnixMillis;

/// What a decision made anew says of something that is held already.
#[derive(Debug)]
pub struct Standing {
    /// What was asked of policy: all that the lease has.
    pub wanted: Wanted,
    /// The decision, with every reason.
    pub decision: Decision,
    /// The lifetime of a next generation, or why there is none.
    pub verdict: Result<Duration, Refusal>,
}

/// Decides a lease anew on the job's stored parameters: all that it has must still be granted.
pub fn of_lease(
    policy: &Policy,
    job: &Job,
    opening: &Opening,
    lease: &Lease,
    now: UnixMillis,
) -> Standing {
    let wanted = Wanted {
        name: lease.terms.credential.clone(),
        scopes: lease.terms.scopes.clone(),
        lifetime: Some(lease.terms.ttl),
    };
    let next = lease
        .newest()
        .map_or(1, |term| term.generation.saturating_add(1));
    let circumstances = circumstances(opening, next, now);
    let decision = policy.decide(&Request {
        subject: &job.owner.subject,
        task: opening.task.as_str(),
        parameters: &opening.parameters,
        wanted: std::slice::from_ref(&wanted),
        circumstances: &circumstances,
    });
    let verdict = match &decision.outcome {
        Outcome::Denied(denied) => Err(Refusal::new(denied.reason, denied.message.clone())),
        // INVARIANT: a renewal is never wider; an audience or issuer that has changed in policy is another
        // credential under the same name.
        Outcome::Allowed(allowed) => match allowed.credentials.first() {
            Some(permitted) if is_same(permitted, lease) => Ok(permitted.ttl.min(lease.terms.ttl)),
            Some(_) | None => Err(Refusal::new(
                Reason::CredentialNotGranted,
                "policy now grants another credential under this name; start a new job",
            )),
        },
    };
    Standing {
        wanted,
        decision,
        verdict,
    }
}

/// Finds what a job would not get again today: its first such lease, or the task when it holds no lease.
pub fn withdrawn(
    policy: &Policy,
    job: &Job,
    opening: &Opening,
    leases: &[Lease],
    now: UnixMillis,
) -> Option<Withdrawn> {
    let mut active = leases
        .iter()
        .filter(|lease| lease.active().is_some())
        .peekable();
    if active.peek().is_none() {
        let decision = policy.decide(&Request {
            subject: &job.owner.subject,
            task: opening.task.as_str(),
            parameters: &opening.parameters,
            wanted: &[],
            circumstances: &circumstances(opening, 1, now),
        });
        let denied = matches!(decision.outcome, Outcome::Denied(_));
        return denied.then_some(Withdrawn {
            credential: None,
            decision,
        });
    }
    active.find_map(|lease| {
        let standing = of_lease(policy, job, opening, lease, now);
        standing.verdict.err().map(|_| Withdrawn {
            credential: Some(lease.terms.credential.clone()),
            decision: standing.decision,
        })
    })
}

/// What a job would not get again.
#[derive(Debug)]
pub struct Withdrawn {
    /// The credential; none when it is the task.
    pub credential: Option<String>,
    /// The decision that says so.
    pub decision: Decision,
}

fn circumstances(opening: &Opening, generation: u32, now: UnixMillis) -> Circumstances {
    Circumstances {
        at: now,
        job: JobFacts {
            opened_at: opening.opened_at,
            generation,
            is_renewal: true,
        },
        risk: Risk::default(),
        reported: opening.reported.clone(),
    }
}

fn is_same(permitted: &Permitted, lease: &Lease) -> bool {
    *permitted.audience == *lease.terms.audience
        && *permitted.issuer == *lease.terms.issuer
        && permitted.scopes == lease.terms.scopes
        && permitted.form == lease.terms.form
}
