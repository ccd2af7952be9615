//! The policy in force, as operators see it.

use serde_json::json;
use taskpass_proto::time::timestamp_from_millis;
use taskpass_proto::v1;
use tonic::Status;

use super::AdminService;
use crate::domain::time::UnixMillis;
use crate::grpc::refusals::refused;

pub(super) async fn reload(
    service: &AdminService,
    by: &str,
) -> Result<v1::ReloadPolicyResponse, Status> {
    service.record("ReloadPolicy", by, json!({})).await;
    let changed = service.policy.reload(&service.operations).await;
    let changed = changed.map_err(Status::failed_precondition)?;
    let policy = service.operations.policy();
    Ok(v1::ReloadPolicyResponse {
        policy: policy
            .map(|policy| policy.hash().to_string())
            .unwrap_or_default(),
        changed,
    })
}

pub(super) async fn status(
    service: &AdminService,
    by: &str,
) -> Result<v1::GetPolicyStatusResponse, Status> {
    service.record("GetPolicyStatus", by, json!({})).await;
    let wire = |at: UnixMillis| timestamp_from_millis(at.as_millis());
    let status = service.operations.policy_status();
    let (refused, refused_at) = match status.refused {
        Some(refused) => (refused.why, Some(wire(refused.at))),
        None => (String::new(), None),
    };
    let about_files = v1::GetPolicyStatusResponse {
        refused,
        refused_at,
        ..v1::GetPolicyStatusResponse::default()
    };
    let Some(policy) = service.operations.policy() else {
        return Ok(about_files);
    };
    let files = policy.sources().iter();
    Ok(v1::GetPolicyStatusResponse {
        policy: policy.hash().to_string(),
        loaded_at: status.loaded_at.map(wire),
        files: files.map(|file| file.name.to_string()).collect(),
        tasks: policy.task_count() as u64,
        grants: policy.grant_count() as u64,
        warnings: policy.warnings().iter().map(ToString::to_string).collect(),
        ends_jobs_of_withdrawn_grants: policy.ends_jobs_of_withdrawn_grants(),
        ..about_files
    })
}

/// The sources of a snapshot that is or was in force.
pub(super) async fn get(
    service: &AdminService,
    by: &str,
    request: v1::GetPolicyRequest,
) -> Result<v1::GetPolicyResponse, Status> {
    service
        .record("GetPolicy", by, json!({ "policy": request.policy }))
        .await;
    let in_force = || service.operations.policy().map(|policy| policy.hash());
    let hash = match (request.policy, in_force()) {
        (hash, _) if !hash.is_empty() => hash,
        (_, Some(hash)) => hash.to_string(),
        (_, None) => return Err(Status::not_found("no policy is in force")),
    };
    let kept = service.operations.kept_policy(&hash).map_err(refused)?;
    let kept = kept.ok_or_else(|| Status::not_found("no policy with this hash was in force"))?;
    let file = |(name, content)| v1::PolicyFile { name, content };
    Ok(v1::GetPolicyResponse {
        policy: kept.hash,
        since: Some(timestamp_from_millis(kept.since.as_millis())),
        files: kept.files.into_iter().map(file).collect(),
        installation: kept.installation.map(file),
    })
}
