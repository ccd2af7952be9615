//! Puts records on the operator's wire.

use taskpass_proto::time::timestamp_from_millis;
use taskpass_proto::v1;

use crate::domain::audit::Recorded;
use crate::domain::ban::{Ban, BanTarget};
use crate::domain::change::JobWithLeases;
use crate::domain::job::{Job, Opening, Reported};
use crate::domain::lease::{Lease, LeaseState};
use crate::domain::time::UnixMillis;
use crate::grpc::words;

/// A job in a list.
pub(super) fn job(known: &JobWithLeases) -> v1::JobSummary {
    let JobWithLeases { job, leases } = known;
    let opening = job.opening();
    let state = if job.as_open().is_some() {
        v1::JobState::Open
    } else {
        v1::JobState::Ended
    };
    let liveness = opening.map(|opening| words::liveness(opening.liveness));
    v1::JobSummary {
        job_id: job.id.to_string(),
        subject: job.owner.subject.to_string(),
        task: opening
            .map(|opening| opening.task.to_string())
            .unwrap_or_default(),
        state: state.into(),
        cause: words::optional_cause(job.ended().map(|end| end.cause)),
        opened_at: opening.map(|opening| at(opening.opened_at)),
        ends_by: opening.map(|opening| at(opening.ends_by)),
        ended_at: job.ended().map(|end| at(end.at)),
        leases: u32::try_from(leases.len()).unwrap_or(u32::MAX),
        liveness: liveness.unwrap_or(v1::Liveness::Unspecified).into(),
    }
}

/// A job with everything that hangs off it.
pub(super) fn whole_job(known: &JobWithLeases) -> v1::GetJobResponse {
    let opening = known.job.opening();
    v1::GetJobResponse {
        job: Some(job(known)),
        parameters: opening
            .map(|opening| opening.parameters.clone())
            .unwrap_or_default(),
        leases: leases(known),
        policy: opening
            .map(|opening| opening.policy.clone())
            .unwrap_or_default(),
        reported: opening.and_then(reported),
        holder: known.job.owner.holder.to_string(),
    }
}

/// The leases of a job.
pub(super) fn leases(known: &JobWithLeases) -> Vec<v1::LeaseSummary> {
    known
        .leases
        .iter()
        .map(|one| lease(&known.job, one))
        .collect()
}

/// A ban.
pub(super) fn ban(ban: &Ban) -> v1::list_bans_response::BanEntry {
    use v1::list_bans_response::ban_entry::Target;
    let target = match &ban.target {
        BanTarget::Workload(id) => Target::SpiffeId(id.to_string()),
        BanTarget::Holder(hash) => Target::Holder(hash.to_string()),
    };
    v1::list_bans_response::BanEntry {
        target: Some(target),
        since: Some(at(ban.since)),
        until: ban.until.map(at),
        note: ban.note.clone(),
        by: ban.by.clone(),
    }
}

/// An audit record.
pub(super) fn record(recorded: Recorded) -> v1::AuditRecord {
    let Recorded {
        number,
        leaf,
        details,
    } = recorded;
    v1::AuditRecord {
        number,
        at: Some(at(leaf.at)),
        event: leaf.event.as_str().to_owned(),
        subject: leaf.subject.unwrap_or_default(),
        task: leaf.task.unwrap_or_default(),
        job_id: leaf.job.unwrap_or_default(),
        lease_id: leaf.lease.unwrap_or_default(),
        generation: leaf.generation.unwrap_or_default(),
        outcome: leaf.outcome.unwrap_or_default(),
        cause: words::optional_cause(leaf.cause),
        policy: leaf.policy.unwrap_or_default(),
        details: details
            .map(|details| details.to_string())
            .unwrap_or_default(),
        decision_id: leaf.decision.unwrap_or_default(),
        node: leaf.node.unwrap_or_default(),
    }
}

fn lease(job: &Job, lease: &Lease) -> v1::LeaseSummary {
    let term = lease.newest();
    let ended_at = match lease.state {
        LeaseState::Ended { at, .. } => Some(at),
        LeaseState::Intent | LeaseState::Active(_) | LeaseState::Revoking { .. } => None,
    };
    v1::LeaseSummary {
        lease_id: lease.id.to_string(),
        job_id: job.id.to_string(),
        subject: job.owner.subject.to_string(),
        credential: lease.terms.credential.clone(),
        issuer: lease.terms.issuer.clone(),
        state: words::lease_state(lease.state).into(),
        cause: words::optional_cause(lease.state.cause()),
        generation: term.map(|term| term.generation).unwrap_or_default(),
        issued_at: term.map(|term| at(term.issued_at)),
        expires_at: term.map(|term| at(term.expires_at)),
        ended_at: ended_at.map(at),
        revocability: Some(words::revocability(lease.terms.revocability)),
        scopes: lease.terms.scopes.clone(),
        audience: lease.terms.audience.clone(),
    }
}

fn reported(opening: &Opening) -> Option<v1::ReportedCaller> {
    let Reported {
        host,
        uid,
        gid,
        pid,
        executable,
    } = opening.reported.clone()?;
    Some(v1::ReportedCaller {
        host,
        uid,
        gid,
        pid,
        executable,
    })
}

fn at(at: UnixMillis) -> prost_types::Timestamp {
    timestamp_from_millis(at.as_millis())
}
