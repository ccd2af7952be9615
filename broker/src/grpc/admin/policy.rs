//! The policy in force, as operators see it.

use serde_json::json;
use taskpass_proto::v1;
use tonic::Status;

use super::AdminService;

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
