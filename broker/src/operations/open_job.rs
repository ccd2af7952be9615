//! Opens a job and issues its credentials in one round trip.

use std::collections::BTreeMap;
use std::time::Duration;

use ring::digest::{Context, SHA256};
use serde_json::json;
use taskpass_proto::ids::{JobId, LeaseId};
use taskpass_proto::limits::MAX_LEASES_PER_JOB;
use taskpass_proto::reason::Reason;
use taskpass_proto::refusal::Refusal;

use super::bindings::refuse_foreign_bindings;
use super::gate::{Caller, HolderClaim};
use super::tokens::{IssuedToken, shorten_by_end_of_job, term, terms};
use super::{Operations, internal};
use crate::domain::audit::{Event, Record};
use crate::domain::binding::Bindings;
use crate::domain::change::JobWithLeases;
use crate::domain::change::open::{Candidate, Opened, open};
use crate::domain::job::{Anchor, Job, Liveness, Opening, Owner, Reported};
use crate::domain::lease::Lease;
use crate::domain::policy::{Allowed, Circumstances, Decision, Outcome, Policy, Request, Wanted};
use crate::domain::time::UnixMillis;
use crate::ports::store::jobs::transact;

/// An id may be this far off our clock, so that keys stay nearly ordered and a forgotten id cannot come back.
const ID_LEEWAY: Duration = Duration::from_secs(3600);

/// What a client asks.
#[derive(Debug, Clone)]
pub struct OpenJob {
    /// Made by the client.
    pub job: JobId,
    /// Who will hold it.
    pub holder: HolderClaim,
    /// The task, as asked for: it need not exist.
    pub task: String,
    /// Its parameters.
    pub parameters: BTreeMap<String, String>,
    /// The credentials wanted; none means all that are granted.
    pub wanted: Vec<Wanted>,
    /// What they are to be bound to.
    pub bindings: Bindings,
    /// Whether the holder announces the job.
    pub liveness: Liveness,
    /// What it is tied to on the holder's side.
    pub anchor: Anchor,
    /// A shorter life than the task's maximum.
    pub max_duration: Option<Duration>,
    /// What the agent says of the local caller.
    pub reported: Option<Reported>,
}

/// A request with what was decided on it.
struct Asked<'a> {
    request: &'a OpenJob,
    owner: Owner,
    policy: &'a Policy,
    decision: &'a Decision,
    now: UnixMillis,
}

/// An open job with its credentials.
#[derive(Debug)]
pub struct OpenedJob {
    /// The job.
    pub job: JobId,
    /// The decision that let it in.
    pub decision: String,
    /// Hash of the policy that it was decided on.
    pub policy: String,
    /// When it ends at the latest.
    pub ends_by: UnixMillis,
    /// The time that lifetimes are counted from.
    pub now: UnixMillis,
    /// The credentials.
    pub credentials: Vec<IssuedToken>,
    /// Whether this answers a repeated request.
    pub repeated: bool,
}

impl Operations {
    /// Opens a job for the caller, if policy lets it.
    pub async fn open_job(&self, caller: &Caller, request: OpenJob) -> Result<OpenedJob, Refusal> {
        let owner = self.admit_holder(caller, &request.holder).await?;
        refuse_foreign_bindings(caller, &request.bindings)?;
        self.refuse_unless_sound()?;
        let now = self.now();
        check_id_time(request.job, now)?;
        let policy = self.policy_or_refuse()?;
        let mut decision = policy.decide(&Request {
            subject: &owner.subject,
            task: &request.task,
            parameters: &request.parameters,
            wanted: &request.wanted,
            circumstances: &Circumstances::opening(now).reported(request.reported.clone()),
        });
        if let Some(latest) = decision
            .allowed()
            .ok()
            .map(|a| latest_end(&request, a, now))
        {
            shorten_by_end_of_job(&mut decision, now, latest);
        }
        let asked = Asked {
            request: &request,
            owner,
            policy: &policy,
            decision: &decision,
            now,
        };
        let allowed = match &decision.outcome {
            Outcome::Allowed(allowed) => allowed,
            Outcome::Denied(denied) => {
                let refusal = Refusal::new(denied.reason, denied.message.clone());
                return Err(self.denied(refusal, asked.denial()).await);
            }
        };
        let candidate = self.candidate(&asked, allowed)?;
        let opened = self.commit(candidate, now).await;
        self.committed_under(policy.hash());
        if opened.is_ok() {
            self.end_if_banned_meanwhile(&asked.owner, request.job)
                .await?;
        }
        opened
    }

    fn candidate(&self, asked: &Asked<'_>, allowed: &Allowed) -> Result<Candidate, Refusal> {
        let Asked {
            request,
            owner,
            policy,
            decision,
            now,
        } = asked;
        let now = *now;
        if allowed.credentials.len() > MAX_LEASES_PER_JOB {
            return Err(Refusal::new(
                Reason::JobLeasesLimit,
                "the task grants more credentials than a job can have; ask for some by name",
            ));
        }
        self.refuse_unless_signable(&allowed.credentials, now)?;
        let id = self.decision_id(now)?;
        let latest = latest_end(request, allowed, now);
        let leases: Vec<Lease> = (1..)
            .zip(&allowed.credentials)
            .filter_map(|(number, permitted)| {
                let term = term(1, permitted.ttl, now, latest);
                let lease = LeaseId::new(request.job, number);
                Lease::intent(lease, terms(policy, permitted, &request.bindings))
                    .activate(term)
                    .ok()
            })
            .collect();
        // A job that nobody announces cannot outlive its first credentials.
        let first_end = leases
            .iter()
            .filter_map(Lease::active)
            .map(|term| term.expires_at)
            .max();
        let ends_by = match (request.liveness, first_end) {
            (Liveness::Heartbeat, _) => latest,
            (Liveness::None, first_end) => first_end.unwrap_or(now).min(latest),
        };
        let policy_hash = policy.hash().to_string();
        let task = request
            .task
            .parse()
            .map_err(|_| internal("policy allowed an invalid task"))?;
        let opening = Opening {
            task,
            parameters: request.parameters.clone(),
            request: digest_of(request),
            policy: policy_hash.clone(),
            decision: id.clone(),
            opened_at: now,
            ends_by,
            liveness: request.liveness,
            anchor: request.anchor,
            reported: request.reported.clone(),
        };
        let record = Record {
            subject: Some(owner.subject.clone()),
            node: node(request),
            task: Some(request.task.clone()),
            job: Some(request.job),
            outcome: Some("allowed"),
            policy: Some(policy_hash),
            decision: Some(id),
            details: json!({
                "decision": decision,
                "parameters": request.parameters,
                "wanted": request.wanted,
                "holder": owner.holder.to_string(),
                "liveness": request.liveness,
                "anchor": request.anchor,
                "ends_by": ends_by,
                "reported": request.reported,
            }),
            ..Record::new(Event::JobOpened, now)
        };
        let live_limit = allowed.max_live_jobs;
        Ok(Candidate {
            id: request.job,
            owner: owner.clone(),
            opening,
            leases,
            live_limit,
            record,
        })
    }

    /// Commits, and signs while the disk is busy. Nothing is told before both are done.
    async fn commit(&self, candidate: Candidate, now: UnixMillis) -> Result<OpenedJob, Refusal> {
        let job = Job::open(
            candidate.id,
            candidate.owner.clone(),
            candidate.opening.clone(),
        );
        let leases = candidate.leases.clone();
        let id = candidate.id;
        let commit = transact(self.store.as_ref(), id, move |current| {
            open(current, &candidate)
        });
        let sign = async { self.sign_all(&job, &leases, now) };
        let (opened, signed) = futures_util::future::join(commit, sign).await;
        match opened.map_err(|error| self.store_failed(&error))? {
            Opened::New => {
                if self.pending_ends.contains(id) {
                    return Err(job_ended());
                }
                metrics::counter!("taskpass_decisions_total", "outcome" => "allowed").increment(1);
                opened_job(&job, signed?, now, false)
            }
            Opened::Repeated(known) => self.repeat(&known, now),
            Opened::Ended(_) => Err(job_ended()),
            Opened::IdReused => Err(Refusal::new(
                Reason::JobIdReused,
                "this job id is in use; make a new one for each job",
            )),
            Opened::LiveLimit => Err(too_many_live_jobs()),
        }
    }

    /// The same job and leases again, their tokens made anew from what is recorded.
    fn repeat(&self, known: &JobWithLeases, now: UnixMillis) -> Result<OpenedJob, Refusal> {
        if self.pending_ends.contains(known.job.id) {
            return Err(job_ended());
        }
        let signed = self.sign_all(&known.job, &known.leases, now)?;
        opened_job(&known.job, signed, now, true)
    }
}

impl Asked<'_> {
    /// The record of a denial.
    fn denial(&self) -> Record {
        Record {
            subject: Some(self.owner.subject.clone()),
            node: node(self.request),
            task: Some(self.request.task.clone()),
            job: Some(self.request.job),
            policy: Some(self.policy.hash().to_string()),
            details: json!({
                "decision": self.decision,
                "parameters": self.request.parameters,
                "wanted": self.request.wanted,
                "holder": self.owner.holder.to_string(),
                "reported": self.request.reported,
            }),
            ..Record::new(Event::JobDenied, self.now)
        }
    }
}

/// The machine that the job runs on, as the agent says.
fn node(request: &OpenJob) -> Option<String> {
    let reported = request.reported.as_ref();
    reported.map(|reported| reported.host.clone())
}

pub(super) fn job_ended() -> Refusal {
    Refusal::new(Reason::JobEnded, "the job has ended; start a new one")
}

pub(super) fn too_many_live_jobs() -> Refusal {
    Refusal::new(
        Reason::LiveJobsLimit,
        "too many jobs of this workload and task are open; close some, or ask the task's owner",
    )
}

fn opened_job(
    job: &Job,
    credentials: Vec<IssuedToken>,
    now: UnixMillis,
    repeated: bool,
) -> Result<OpenedJob, Refusal> {
    let opening = job
        .opening()
        .ok_or_else(|| internal("an open job without an opening"))?;
    Ok(OpenedJob {
        job: job.id,
        decision: opening.decision.clone(),
        policy: opening.policy.clone(),
        ends_by: opening.ends_by,
        now,
        credentials,
        repeated,
    })
}

/// When the job ends at the latest, if its holder announces it.
fn latest_end(request: &OpenJob, allowed: &Allowed, now: UnixMillis) -> UnixMillis {
    let asked = request.max_duration.unwrap_or(Duration::MAX);
    now.plus(asked.min(allowed.max_duration))
}

fn check_id_time(job: JobId, now: UnixMillis) -> Result<(), Refusal> {
    let embedded = UnixMillis::new(job.unix_millis());
    if embedded.since(now).max(now.since(embedded)) <= ID_LEEWAY {
        return Ok(());
    }
    Err(Refusal::new(
        Reason::JobIdTime,
        "the time inside the job id is more than an hour off; set this machine's clock",
    ))
}

/// What makes two requests the same: everything asked, each part behind its length.
fn digest_of(request: &OpenJob) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    let mut part = |bytes: &[u8]| {
        context.update(&(bytes.len() as u64).to_be_bytes());
        context.update(bytes);
    };
    part(request.task.as_bytes());
    part(&request.parameters.len().to_be_bytes());
    for (name, value) in &request.parameters {
        part(name.as_bytes());
        part(value.as_bytes());
    }
    part(&request.wanted.len().to_be_bytes());
    for wanted in &request.wanted {
        part(wanted.name.as_bytes());
        part(&wanted.scopes.len().to_be_bytes());
        wanted
            .scopes
            .iter()
            .for_each(|scope| part(scope.as_bytes()));
        part(&optional_millis(wanted.lifetime));
    }
    for (credential, to) in request.bindings.iter() {
        part(credential.as_bytes());
        part(to.as_bytes());
    }
    part(&[request.liveness as u8, request.anchor as u8]);
    part(&optional_millis(request.max_duration));
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

fn optional_millis(duration: Option<Duration>) -> Vec<u8> {
    duration
        .map(|duration| duration.as_millis().to_be_bytes().to_vec())
        .unwrap_or_default()
}
