//! Leases, as operators see and revoke them.

use serde_json::json;
use taskpass_proto::reason::Reason;
use taskpass_proto::refusal::Refusal;
use taskpass_proto::v1;
use tonic::Status;

use super::pages::{non_empty, page_size, page_token};
use super::{AdminService, answers};
use crate::domain::cause::Cause;
use crate::domain::change::end_lease::LeaseEnded;
use crate::grpc::answers::progress_and_cause;
use crate::grpc::refusals::refused;
use crate::grpc::requests;
use crate::operations::end_job::Progress;
use crate::ports::store::jobs::JobQuery;

pub(super) async fn list(
    service: &AdminService,
    by: &str,
    request: v1::ListLeasesRequest,
) -> Result<v1::ListLeasesResponse, Status> {
    service
        .record("ListLeases", by, json!({ "subject": request.subject }))
        .await;
    let state = lease_state(request.state)?;
    let (jobs, next) = if request.job_id.is_empty() {
        let open = state.and_then(|state| match state {
            v1::LeaseState::Active => Some(true),
            _ => None,
        });
        let query = JobQuery {
            subject: non_empty(request.subject),
            open,
            before: page_token(&request.page_token)?,
            limit: page_size(request.page_size),
            ..JobQuery::default()
        };
        let page = service.operations.list_jobs(&query).map_err(refused)?;
        (page.jobs, page.next)
    } else {
        let id = requests::job_id(&request.job_id).map_err(refused)?;
        (
            service
                .operations
                .job(id)
                .map_err(refused)?
                .into_iter()
                .collect(),
            None,
        )
    };
    let leases = jobs.iter().flat_map(answers::leases);
    let wanted =
        |lease: &v1::LeaseSummary| state.is_none_or(|state| lease.state == i32::from(state));
    Ok(v1::ListLeasesResponse {
        leases: leases.filter(wanted).collect(),
        next_page_token: next.map(|id| id.to_string()).unwrap_or_default(),
    })
}

pub(super) async fn get(
    service: &AdminService,
    by: &str,
    request: v1::GetLeaseRequest,
) -> Result<v1::GetLeaseResponse, Status> {
    let id = requests::lease_id(&request.lease_id).map_err(refused)?;
    service
        .record("GetLease", by, json!({ "lease": id.to_string() }))
        .await;
    let job = service
        .operations
        .job(id.job())
        .map_err(refused)?
        .ok_or_else(no_lease)?;
    let lease = answers::leases(&job)
        .into_iter()
        .find(|l| l.lease_id == id.to_string());
    Ok(v1::GetLeaseResponse {
        lease: Some(lease.ok_or_else(no_lease)?),
        job: Some(answers::job(&job)),
    })
}

pub(super) async fn revoke(
    service: &AdminService,
    by: &str,
    request: v1::RevokeLeaseRequest,
) -> Result<v1::RevokeLeaseResponse, Status> {
    let id = requests::lease_id(&request.lease_id).map_err(refused)?;
    let about = json!({ "lease": id.to_string(), "note": request.note });
    service.record("RevokeLease", by, about).await;
    let ended = service
        .operations
        .revoke_lease(id, by, &request.note)
        .await
        .map_err(refused)?;
    let cause = match ended {
        LeaseEnded::Now => Cause::Operator,
        LeaseEnded::Before(cause) => cause,
        LeaseEnded::Unknown => return Err(no_lease()),
    };
    let (progress, cause) = progress_and_cause(Progress::Confirmed(cause));
    Ok(v1::RevokeLeaseResponse { progress, cause })
}

fn no_lease() -> Status {
    refused(Refusal::new(Reason::LeaseUnknown, "there is no such lease"))
}

fn lease_state(state: i32) -> Result<Option<v1::LeaseState>, Status> {
    match v1::LeaseState::try_from(state) {
        Ok(v1::LeaseState::Unspecified) => Ok(None),
        Ok(state) => Ok(Some(state)),
        Err(_) => Err(refused(requests::invalid("`state` has an unknown value"))),
    }
}
