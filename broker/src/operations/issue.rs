//! Issues more credentials to an open job, decided anew.

use serde_json::{Value, json};
use taskpass_proto::ids::JobId;
use taskpass_proto::reason::Reason;
use taskpass_proto::refusal::Refusal;

use super::Operations;
use super::bindings::refuse_foreign_bindings;
use super::gate::{Caller, HolderClaim};
use super::open_job::{job_ended, too_many_live_jobs};
use super::tokens::{IssuedToken, shorten_by_end_of_job, term, terms};
use crate::domain::audit::{Event, Record};
use crate::domain::binding::Bindings;
use crate::domain::change::issue::{Addition, Issued, issue};
use crate::domain::change::{Current, JobWithLeases};
use crate::domain::job::{Opening, Owner};
use crate::domain::lease::{Term, Terms};
use crate::domain::policy::{Circumstances, JobFacts, Outcome, PolicyHash, Request, Wanted};
use crate::domain::time::UnixMillis;
use crate::ports::store::jobs::transact;

/// What a holder asks for its job.
#[derive(Debug, Clone)]
pub struct IssueMore {
    /// The job.
    pub job: JobId,
    /// Who asks.
    pub holder: HolderClaim,
    /// The credentials wanted; none means all that are granted.
    pub wanted: Vec<Wanted>,
    /// What they are to be bound to.
    pub bindings: Bindings,
}

/// More credentials.
#[derive(Debug)]
pub struct IssuedMore {
    /// The decision.
    pub decision: String,
    /// The time that lifetimes are counted from.
    pub now: UnixMillis,
    /// The credentials.
    pub credentials: Vec<IssuedToken>,
}

/// What policy adds to a job.
struct Granted {
    grants: Vec<(Terms, Term)>,
    live_limit: u32,
    policy: PolicyHash,
    /// What the log keeps of the decision.
    details: Value,
}

impl Operations {
    /// Issues more credentials to a job of the caller's, if today's policy lets it.
    pub async fn issue(&self, caller: &Caller, request: IssueMore) -> Result<IssuedMore, Refusal> {
        let owner = self.admit_holder(caller, &request.holder).await?;
        refuse_foreign_bindings(caller, &request.bindings)?;
        self.refuse_unless_sound()?;
        let now = self.now();
        let known = self
            .store
            .job(request.job)
            .map_err(|error| self.store_failed(&error))?;
        let Some(known) = known.filter(|known| known.job.owner == owner) else {
            return Err(self.unknown_job(request.job, &owner, now).await);
        };
        let Some(opening) = known.job.as_open() else {
            return Err(job_ended());
        };
        let decision = self.decision_id(now)?;
        let Granted {
            grants,
            live_limit,
            policy,
            details,
        } = self.decide_issue(&request, &known, opening, now).await?;
        let addition = Addition {
            owner,
            grants,
            live_limit,
            decision: decision.clone(),
            policy: policy.to_string(),
            details,
            at: now,
        };
        let change = move |current: &Current<'_>| issue(current, &addition);
        let issued = transact(self.store.as_ref(), request.job, change)
            .await
            .map_err(|error| self.store_failed(&error))?;
        self.committed_under(policy);
        match issued {
            Issued::New(_) if self.pending_ends.contains(request.job) => Err(job_ended()),
            Issued::New(leases) => {
                metrics::counter!("taskpass_decisions_total", "outcome" => "allowed").increment(1);
                let credentials = self.sign_all(&known.job, &leases, now)?;
                Ok(IssuedMore {
                    decision,
                    now,
                    credentials,
                })
            }
            Issued::JobUnknown => Err(job_unknown()),
            Issued::JobEnded(_) => Err(job_ended()),
            Issued::TooMany => Err(Refusal::new(
                Reason::JobLeasesLimit,
                "the job has as many leases as a job can have; renew one instead",
            )),
            Issued::LiveLimit => Err(too_many_live_jobs()),
        }
    }

    async fn decide_issue(
        &self,
        request: &IssueMore,
        known: &JobWithLeases,
        opening: &Opening,
        now: UnixMillis,
    ) -> Result<Granted, Refusal> {
        let policy = self.policy_or_refuse()?;
        let mut decision = policy.decide(&Request {
            subject: &known.job.owner.subject,
            task: opening.task.as_str(),
            parameters: &opening.parameters,
            wanted: &request.wanted,
            circumstances: &Circumstances {
                job: JobFacts {
                    opened_at: opening.opened_at,
                    generation: 1,
                    is_renewal: false,
                },
                reported: opening.reported.clone(),
                ..Circumstances::opening(now)
            },
        });
        shorten_by_end_of_job(&mut decision, now, opening.ends_by);
        let details = json!({
            "decision": decision,
            "parameters": opening.parameters,
            "wanted": request.wanted,
        });
        match &decision.outcome {
            Outcome::Allowed(allowed) => {
                self.refuse_unless_signable(&allowed.credentials, now)?;
                let grants = allowed.credentials.iter().map(|permitted| {
                    (
                        terms(&policy, permitted, &request.bindings),
                        term(1, permitted.ttl, now, opening.ends_by),
                    )
                });
                Ok(Granted {
                    grants: grants.collect(),
                    live_limit: allowed.max_live_jobs,
                    policy: policy.hash(),
                    details,
                })
            }
            Outcome::Denied(denied) => {
                let refusal = Refusal::new(denied.reason, denied.message.clone());
                let record = Record {
                    subject: Some(known.job.owner.subject.clone()),
                    task: Some(opening.task.to_string()),
                    job: Some(known.job.id),
                    policy: Some(policy.hash().to_string()),
                    details,
                    ..Record::new(Event::LeaseDenied, now)
                };
                Err(self.denied(refusal, record).await)
            }
        }
    }

    /// The one answer to an id that does not exist and to one that is somebody else's.
    async fn unknown_job(&self, job: JobId, owner: &Owner, at: UnixMillis) -> Refusal {
        let record = Record {
            subject: Some(owner.subject.clone()),
            job: Some(job),
            ..Record::new(Event::LeaseDenied, at)
        };
        self.denied(job_unknown(), record).await
    }
}

fn job_unknown() -> Refusal {
    Refusal::new(
        Reason::JobUnknown,
        "no such job of this workload and holder",
    )
}
