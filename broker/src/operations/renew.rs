//! Renews a lease: decided anew on the stored parameters, never wider.

use std::time::Duration;

use serde_json::{Value, json};
use taskpass_proto::ids::LeaseId;
use taskpass_proto::reason::Reason;
use taskpass_proto::refusal::Refusal;

use super::Operations;
use super::bindings::binding_of_renewal;
use super::gate::{Caller, HolderClaim};
use super::open_job::job_ended;
use super::tokens::{IssuedToken, shorten_by_end_of_job, term};
use crate::domain::audit::{Event, Record};
use crate::domain::binding::Thumbprint;
use crate::domain::change::renew::{Renewal, Renewed, renew};
use crate::domain::change::{Current, JobWithLeases};
use crate::domain::job::Owner;
use crate::domain::lease::Lease;
use crate::domain::policy::Policy;
use crate::domain::standing::{self, Standing};
use crate::domain::time::UnixMillis;
use crate::ports::store::jobs::transact;

/// What a holder asks for its lease.
#[derive(Debug, Clone)]
pub struct Renew {
    /// The lease.
    pub lease: LeaseId,
    /// Who asks.
    pub holder: HolderClaim,
    /// The generation that the holder has.
    pub generation: u32,
    /// What the next one is to be bound to; none means as before.
    pub bind_to: Option<Thumbprint>,
}

/// The next generation.
#[derive(Debug)]
pub struct RenewedLease {
    /// The decision.
    pub decision: String,
    /// The time that lifetimes are counted from.
    pub now: UnixMillis,
    /// The credential.
    pub credential: IssuedToken,
}

impl Operations {
    /// Renews a lease of the caller's, if today's policy still grants all of it.
    pub async fn renew(&self, caller: &Caller, request: Renew) -> Result<RenewedLease, Refusal> {
        let owner = self.admit_holder(caller, &request.holder).await?;
        self.refuse_unless_sound()?;
        let now = self.now();
        let known = self
            .store
            .job(request.lease.job())
            .map_err(|error| self.store_failed(&error))?;
        let known = known.filter(|known| known.job.owner == owner);
        let lease = known.as_ref().and_then(|known| {
            known
                .leases
                .iter()
                .find(|lease| lease.id == request.lease)
                .cloned()
        });
        let (Some(known), Some(lease)) = (known, lease) else {
            return Err(self.unknown_lease(request.lease, &owner, now).await);
        };
        let Some(opening) = known.job.as_open() else {
            return Err(job_ended());
        };
        let bound_to = binding_of_renewal(caller, lease.terms.bound_to, request.bind_to)?;
        self.refuse_unless_signable_as(&lease.terms.form, now)?;
        let policy = self.policy_or_refuse()?;
        let (ttl, decided) = self.decide_renewal(&policy, &known, &lease, now).await?;
        let id = self.decision_id(now)?;
        let next = term(request.generation, ttl, now, opening.ends_by);
        if next.expires_at <= now {
            return Err(lease_ended());
        }
        let renewal = Renewal {
            lease: request.lease,
            owner,
            expected: request.generation,
            issued_at: next.issued_at,
            expires_at: next.expires_at,
            bound_to,
            decision: id.clone(),
            policy: policy.hash().to_string(),
            details: with(decided, "expires_at", json!(next.expires_at)),
        };
        let change = move |current: &Current<'_>| renew(current, &renewal);
        let renewed = transact(self.store.as_ref(), request.lease.job(), change)
            .await
            .map_err(|error| self.store_failed(&error))?;
        match renewed {
            Renewed::Done(_) if self.pending_ends.contains(known.job.id) => Err(job_ended()),
            Renewed::Done(lease) => {
                metrics::counter!("taskpass_renewals_total").increment(1);
                let term = lease.active().ok_or_else(lease_ended)?;
                let credential = self.sign(&known.job, &lease, term, now)?;
                Ok(RenewedLease {
                    decision: id,
                    now,
                    credential,
                })
            }
            Renewed::LeaseUnknown => Err(lease_unknown()),
            Renewed::JobEnded(_) => Err(job_ended()),
            Renewed::LeaseEnded => Err(lease_ended()),
            Renewed::OtherGeneration { current } => Err(Refusal::new(
                Reason::GenerationMismatch,
                format!("the current generation is `{current}`; renew that one"),
            )
            .current_generation(current)),
        }
    }

    /// Decides a renewal: everything that the lease has must still be granted. Answers the lifetime, and what
    /// the log keeps of the decision.
    async fn decide_renewal(
        &self,
        policy: &Policy,
        known: &JobWithLeases,
        lease: &Lease,
        at: UnixMillis,
    ) -> Result<(Duration, Value), Refusal> {
        let opening = known.job.as_open().ok_or_else(job_ended)?;
        let Standing {
            wanted,
            mut decision,
            verdict,
        } = standing::of_lease(policy, &known.job, opening, lease, at);
        shorten_by_end_of_job(&mut decision, at, opening.ends_by);
        let details = json!({
            "decision": decision,
            "parameters": opening.parameters,
            "wanted": [wanted],
        });
        let refusal = match verdict {
            Ok(ttl) => return Ok((ttl, details)),
            Err(refusal) => refusal,
        };
        let record = Record {
            subject: Some(known.job.owner.subject.clone()),
            task: Some(opening.task.to_string()),
            job: Some(known.job.id),
            lease: Some(lease.id),
            policy: Some(policy.hash().to_string()),
            details,
            ..Record::new(Event::LeaseRenewalDenied, at)
        };
        Err(self.denied(refusal, record).await)
    }

    /// The one answer to an id that does not exist and to one that is somebody else's.
    async fn unknown_lease(&self, lease: LeaseId, owner: &Owner, at: UnixMillis) -> Refusal {
        let record = Record {
            subject: Some(owner.subject.clone()),
            job: Some(lease.job()),
            lease: Some(lease),
            ..Record::new(Event::LeaseRenewalDenied, at)
        };
        self.denied(lease_unknown(), record).await
    }
}

fn with(mut details: Value, name: &str, value: Value) -> Value {
    if let Some(members) = details.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
    details
}

fn lease_unknown() -> Refusal {
    Refusal::new(
        Reason::LeaseUnknown,
        "no such lease of this workload and holder",
    )
}

fn lease_ended() -> Refusal {
    Refusal::new(Reason::LeaseEnded, "the lease has ended; start a new job")
}
