//! The service `Admin`, on a Unix socket: the operator is a user id that the kernel vouches for.
//!
//! - [`status`], [`jobs`], [`leases`], [`bans`], [`audit`], [`audit_log`], [`policy`], [`keys`], [`store`]: the calls,
//!   by what they are about
//! - [`answers`]: puts records on the wire
//! - [`pages`]: parts of requests that several calls share

mod answers;
mod audit;
mod audit_log;
mod bans;
mod jobs;
mod keys;
mod leases;
mod pages;
mod policy;
mod status;
mod store;

use std::sync::Arc;

use serde_json::json;
use taskpass_proto::reason::Reason;
use taskpass_proto::refusal::Refusal;
use taskpass_proto::v1;
use taskpass_proto::v1::admin_server::Admin;
use tonic::{Request, Response, Status};

use super::refusals::{refused, unimplemented};
use crate::app::admin_listener::Operator;
use crate::app::health::Health;
use crate::app::policy_source::PolicySource;
use crate::domain::audit::{Event, Record};
use crate::domain::time::UnixMillis;
use crate::operations::Operations;
use crate::ports::key_desk::{KeyDesk, PublicDocuments};

/// Answers operators.
pub struct AdminService {
    operations: Arc<Operations>,
    health: Arc<Health>,
    policy: Arc<PolicySource>,
    keys: Keys,
    identity: Identity,
}

/// The signing keys.
pub struct Keys {
    /// Lists and changes them.
    pub desk: Arc<dyn KeyDesk>,
    /// What is published of them.
    pub documents: Arc<dyn PublicDocuments>,
}

/// What the broker says of itself.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Its SPIFFE ID.
    pub spiffe_id: String,
    /// Its version.
    pub version: &'static str,
    /// When it started.
    pub started_at: UnixMillis,
}

impl AdminService {
    /// Answers with these use cases.
    pub fn new(
        operations: Arc<Operations>,
        health: Arc<Health>,
        policy: Arc<PolicySource>,
        keys: Keys,
        identity: Identity,
    ) -> Self {
        Self {
            operations,
            health,
            policy,
            keys,
            identity,
        }
    }

    /// Records a call before it is answered. A call that ends something goes on when it cannot be recorded.
    async fn record(&self, call: &'static str, by: &str, about: serde_json::Value) {
        let record = Record {
            details: json!({ "call": call, "by": by, "about": about }),
            ..Record::new(Event::AdminCalled, self.operations.now())
        };
        if let Err(error) = self.operations.append(record).await {
            tracing::error!(%error, admin.call = call, "an administrative call was not recorded");
        }
    }
}

#[tonic::async_trait]
impl Admin for AdminService {
    async fn get_status(
        &self,
        request: Request<v1::GetStatusRequest>,
    ) -> Result<Response<v1::GetStatusResponse>, Status> {
        let by = operator(&request)?;
        status::get(self, &by).await.map(Response::new)
    }

    async fn list_jobs(
        &self,
        request: Request<v1::ListJobsRequest>,
    ) -> Result<Response<v1::ListJobsResponse>, Status> {
        let by = operator(&request)?;
        jobs::list(self, &by, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn get_job(
        &self,
        request: Request<v1::GetJobRequest>,
    ) -> Result<Response<v1::GetJobResponse>, Status> {
        let by = operator(&request)?;
        jobs::get(self, &by, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn end_job(
        &self,
        request: Request<v1::EndJobRequest>,
    ) -> Result<Response<v1::EndJobResponse>, Status> {
        let by = operator(&request)?;
        jobs::end(self, &by, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn list_leases(
        &self,
        request: Request<v1::ListLeasesRequest>,
    ) -> Result<Response<v1::ListLeasesResponse>, Status> {
        let by = operator(&request)?;
        leases::list(self, &by, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn get_lease(
        &self,
        request: Request<v1::GetLeaseRequest>,
    ) -> Result<Response<v1::GetLeaseResponse>, Status> {
        let by = operator(&request)?;
        leases::get(self, &by, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn revoke_lease(
        &self,
        request: Request<v1::RevokeLeaseRequest>,
    ) -> Result<Response<v1::RevokeLeaseResponse>, Status> {
        let by = operator(&request)?;
        leases::revoke(self, &by, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn ban(
        &self,
        request: Request<v1::BanRequest>,
    ) -> Result<Response<v1::BanResponse>, Status> {
        let by = operator(&request)?;
        bans::ban(self, &by, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn unban(
        &self,
        request: Request<v1::UnbanRequest>,
    ) -> Result<Response<v1::UnbanResponse>, Status> {
        let by = operator(&request)?;
        bans::unban(self, &by, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn list_bans(
        &self,
        request: Request<v1::ListBansRequest>,
    ) -> Result<Response<v1::ListBansResponse>, Status> {
        let by = operator(&request)?;
        bans::list(self, &by).await.map(Response::new)
    }

    async fn list_audit_records(
        &self,
        request: Request<v1::ListAuditRecordsRequest>,
    ) -> Result<Response<v1::ListAuditRecordsResponse>, Status> {
        let by = operator(&request)?;
        audit::list(self, &by, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn get_audit_record(
        &self,
        request: Request<v1::GetAuditRecordRequest>,
    ) -> Result<Response<v1::GetAuditRecordResponse>, Status> {
        let by = operator(&request)?;
        audit::get(self, &by, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn get_policy(
        &self,
        request: Request<v1::GetPolicyRequest>,
    ) -> Result<Response<v1::GetPolicyResponse>, Status> {
        let by = operator(&request)?;
        policy::get(self, &by, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn get_audit_checkpoint(
        &self,
        request: Request<v1::GetAuditCheckpointRequest>,
    ) -> Result<Response<v1::GetAuditCheckpointResponse>, Status> {
        let by = operator(&request)?;
        audit_log::checkpoint(self, &by, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn prove_audit_record(
        &self,
        request: Request<v1::ProveAuditRecordRequest>,
    ) -> Result<Response<v1::ProveAuditRecordResponse>, Status> {
        let by = operator(&request)?;
        audit_log::prove(self, &by, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn export_audit_records(
        &self,
        request: Request<v1::ExportAuditRecordsRequest>,
    ) -> Result<Response<v1::ExportAuditRecordsResponse>, Status> {
        let by = operator(&request)?;
        audit_log::export(self, &by, &request.into_inner())
            .await
            .map(Response::new)
    }

    async fn erase_audit_details(
        &self,
        request: Request<v1::EraseAuditDetailsRequest>,
    ) -> Result<Response<v1::EraseAuditDetailsResponse>, Status> {
        let by = operator(&request)?;
        audit_log::erase(self, by, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn reload_policy(
        &self,
        request: Request<v1::ReloadPolicyRequest>,
    ) -> Result<Response<v1::ReloadPolicyResponse>, Status> {
        let by = operator(&request)?;
        policy::reload(self, &by).await.map(Response::new)
    }

    async fn get_policy_status(
        &self,
        request: Request<v1::GetPolicyStatusRequest>,
    ) -> Result<Response<v1::GetPolicyStatusResponse>, Status> {
        let by = operator(&request)?;
        policy::status(self, &by).await.map(Response::new)
    }

    type BackUpStoreStream = store::Progress;

    async fn back_up_store(
        &self,
        request: Request<v1::BackUpStoreRequest>,
    ) -> Result<Response<Self::BackUpStoreStream>, Status> {
        let by = operator(&request)?;
        let progress = store::back_up(self, &by, request.into_inner()).await;
        Ok(Response::new(progress))
    }

    async fn list_keys(
        &self,
        request: Request<v1::ListKeysRequest>,
    ) -> Result<Response<v1::ListKeysResponse>, Status> {
        let by = operator(&request)?;
        keys::list(self, &by).await.map(Response::new)
    }

    async fn rotate_key(
        &self,
        request: Request<v1::RotateKeyRequest>,
    ) -> Result<Response<v1::RotateKeyResponse>, Status> {
        let by = operator(&request)?;
        keys::rotate(self, &by, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn retire_key(
        &self,
        request: Request<v1::RetireKeyRequest>,
    ) -> Result<Response<v1::RetireKeyResponse>, Status> {
        let by = operator(&request)?;
        keys::retire(self, &by, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn export_keys(
        &self,
        request: Request<v1::ExportKeysRequest>,
    ) -> Result<Response<v1::ExportKeysResponse>, Status> {
        let by = operator(&request)?;
        keys::export(self, &by).await.map(Response::new)
    }

    async fn list_approvals(
        &self,
        _: Request<v1::ListApprovalsRequest>,
    ) -> Result<Response<v1::ListApprovalsResponse>, Status> {
        Err(unimplemented("ListApprovals"))
    }

    async fn decide_approval(
        &self,
        _: Request<v1::DecideApprovalRequest>,
    ) -> Result<Response<v1::DecideApprovalResponse>, Status> {
        Err(unimplemented("DecideApproval"))
    }
}

/// Refuses whoever is no operator, before any method is reached: none can forget to ask.
pub fn only_operators(request: Request<()>) -> Result<Request<()>, Status> {
    operator(&request).map(|_| request)
}

/// Who calls, as the audit log has it.
fn operator<T>(request: &Request<T>) -> Result<String, Status> {
    let operator = request.extensions().get::<Operator>();
    let operator = operator.ok_or_else(|| {
        refused(Refusal::new(
            Reason::RoleRequired,
            "this service is for operators",
        ))
    })?;
    Ok(format!("uid {}", operator.uid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_heard_but_whom_the_kernel_vouched_for() {
        let refused = only_operators(Request::new(())).unwrap_err();
        assert_eq!(refused.code(), tonic::Code::PermissionDenied);
        let mut request = Request::new(());
        request.extensions_mut().insert(Operator { uid: 1000 });
        assert!(only_operators(request).is_ok());
    }
}
