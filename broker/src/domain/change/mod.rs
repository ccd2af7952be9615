//! What may happen to a job and its leases, as pure functions.
//!
//! Each takes what is recorded now and answers with what to record instead. The store runs them inside
//! the transaction that saves their outcome, so whatever they look at cannot change under them: a job that
//! ended in the meantime is seen here, and nothing leaves the broker for it.
//!
//! - [`open`]: a job with its first leases
//! - [`issue`]: more leases for an open job
//! - [`renew`]: the next generation of a lease
//! - [`end`]: a job, and with it every lease
//! - [`end_lease`]: one lease
//! - [`expire`]: whatever is due by the clock
//! - [`revoked`]: what verifiers have to be told of any of these

pub mod end;
pub mod end_lease;
pub mod expire;
pub mod issue;
pub mod open;
pub mod renew;
pub mod revoked;
#[cfg(test)]
pub(crate) mod sample;

use serde_json::json;
use taskpass_identity::SpiffeId;
use taskpass_proto::task_name::TaskName;

use super::audit::{Event, Record};
use super::cause::Cause;
use super::job::Job;
use super::lease::Lease;
use super::time::UnixMillis;

/// A job and everything that hangs off it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobWithLeases {
    /// The job.
    pub job: Job,
    /// Its leases, by ascending number.
    pub leases: Vec<Lease>,
}

/// What is recorded at the moment of a change.
pub struct Current<'a> {
    /// The job under the id that the change is about.
    pub job: Option<&'a JobWithLeases>,
    /// How many jobs of a workload and task are open.
    pub live_jobs: &'a dyn Fn(&SpiffeId, &TaskName) -> u32,
}

/// What to record.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Saved {
    /// The job, if it changed.
    pub job: Option<Job>,
    /// The leases that changed.
    pub leases: Vec<Lease>,
    /// What the audit log says of it.
    pub records: Vec<Record>,
    /// When to look at the job again.
    pub due: Due,
}

/// When the clock may have something to do for a job.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// As it stands. Looking too early costs a look; so a renewal does not move it.
    #[default]
    AsBefore,
    /// At this time, or earlier if it stands earlier.
    NoLaterThan(UnixMillis),
    /// At this time.
    At(UnixMillis),
    /// Never: forget the job.
    Forget,
}

/// A change's outcome: what to record, and what to tell whoever asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Step<T> {
    /// To be made durable before `answer` is told to anybody.
    pub saved: Saved,
    /// What to tell.
    pub answer: T,
}

impl<T> Step<T> {
    /// Changes nothing.
    pub fn nothing(answer: T) -> Self {
        Self {
            saved: Saved::default(),
            answer,
        }
    }
}

/// The record of a lease that was handed out in a generation.
fn lease_record(event: Event, at: UnixMillis, job: &Job, lease: &Lease) -> Record {
    let term = lease.newest();
    let mut details = json!({
        "credential": lease.terms.credential,
        "issuer": lease.terms.issuer,
        "audience": lease.terms.audience,
        "scopes": lease.terms.scopes,
        "issued_at": term.map(|term| term.issued_at),
        "expires_at": term.map(|term| term.expires_at),
        "revocability": lease.terms.revocability,
    });
    // Only where it is out of the ordinary: most records are of plain bearer tokens.
    if let Some(members) = details.as_object_mut() {
        let form = (!lease.terms.form.is_default()).then(|| json!(lease.terms.form));
        members.extend(form.map(|form| ("form".to_owned(), form)));
        let certificate = lease.terms.bound_to.map(|bound_to| json!(bound_to));
        members.extend(certificate.map(|bound_to| ("x5t#S256".to_owned(), bound_to)));
    }
    Record {
        subject: Some(job.owner.subject.clone()),
        task: job.opening().map(|opening| opening.task.to_string()),
        job: Some(job.id),
        lease: Some(lease.id),
        generation: term.map(|term| term.generation),
        cause: lease.state.cause(),
        details,
        ..Record::new(event, at)
    }
}

/// The record of a lease's end: short, for the issue says the rest.
fn lease_end_record(at: UnixMillis, job: &Job, lease: &Lease) -> Record {
    Record {
        details: json!({}),
        ..lease_record(Event::LeaseEnded, at, job, lease)
    }
}

/// Ends those of the leases that are not over yet.
fn end_leases(leases: &[Lease], cause: Cause, at: UnixMillis) -> Vec<Lease> {
    leases
        .iter()
        .filter_map(|lease| lease.clone().end_here(cause, at).ok())
        .collect()
}
