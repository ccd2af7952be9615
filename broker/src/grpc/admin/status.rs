//! What the broker says of itself.

use serde_json::json;
use taskpass_proto::time::timestamp_from_millis;
use taskpass_proto::v1;
use tonic::Status;

use super::AdminService;
use crate::domain::time::UnixMillis;

pub(super) async fn get(service: &AdminService, by: &str) -> Result<v1::GetStatusResponse, Status> {
    service.record("GetStatus", by, json!({})).await;
    let report = service.health.report();
    let policy = service.operations.policy();
    let status = service.operations.policy_status();
    let at = |at: UnixMillis| Some(timestamp_from_millis(at.as_millis()));
    let problems = report.problems.into_iter();
    let problems = problems
        .map(|p| v1::get_status_response::Problem {
            what: p.what,
            remedy: p.remedy,
        })
        .collect();
    Ok(v1::GetStatusResponse {
        version: service.identity.version.to_owned(),
        issuer: service.operations.settings().issuer.clone(),
        spiffe_id: service.identity.spiffe_id.clone(),
        svid_expires_at: at(service.health.svid().expires_at),
        policy: policy
            .map(|policy| policy.hash().to_string())
            .unwrap_or_default(),
        policy_loaded_at: status.loaded_at.and_then(at),
        policy_error: status
            .refused
            .map(|refused| refused.why)
            .unwrap_or_default(),
        open_jobs: service.operations.open_jobs().unwrap_or_default(),
        sessions: service.operations.live_sessions() as u64,
        started_at: at(service.identity.started_at),
        ready: report.ready,
        problems,
    })
}
