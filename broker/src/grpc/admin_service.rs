//! The service `Admin`, on a Unix socket: the operator is a user id that the kernel vouches for.

use std::sync::Arc;

use serde_json::json;
use taskpass_proto::holder::HolderHash;
use taskpass_proto::reason::Reason;
use taskpass_proto::refusal::Refusal;
use taskpass_proto::time::{millis_from_timestamp, timestamp_from_millis};
use taskpass_proto::v1;
use taskpass_proto::v1::admin_server::Admin;
use tonic::{Request, Response, Status};

use super::refusals::{refused, unimplemented};
use super::{admin_answers, answers, requests};
use crate::app::admin_listener::Operator;
use crate::app::health::Health;
use crate::app::policy_source::PolicySource;
use crate::domain::audit::{Event, Record};
use crate::domain::ban::{Ban, BanTarget};
use crate::domain::cause::Cause;
use crate::domain::change::end_lease::LeaseEnded;
use crate::domain::time::UnixMillis;
use crate::operations::Operations;
use crate::operations::end_job::{OperatorEnd, Progress};
use crate::ports::store::audit::{AuditQuery, RecordKey};
use crate::ports::store::jobs::JobQuery;

/// Rows of one page, unless asked for fewer.
const PAGE: usize = 100;
const MAX_PAGE: usize = 1000;

/// Answers operators.
pub struct AdminService {
    operations: Arc<Operations>,
    health: Arc<Health>,
    policy: Arc<PolicySource>,
    identity: Identity,
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
        identity: Identity,
    ) -> Self {
        Self {
            operations,
            health,
            policy,
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
        self.record("GetStatus", &operator(&request)?, json!({}))
            .await;
        let report = self.health.report();
        let policy = self.operations.policy();
        let status = self.operations.policy_status();
        let at = |at: UnixMillis| Some(timestamp_from_millis(at.as_millis()));
        let problems = report.problems.into_iter();
        let problems = problems
            .map(|p| v1::get_status_response::Problem {
                what: p.what,
                remedy: p.remedy,
            })
            .collect();
        Ok(Response::new(v1::GetStatusResponse {
            version: self.identity.version.to_owned(),
            issuer: self.operations.settings().issuer.clone(),
            spiffe_id: self.identity.spiffe_id.clone(),
            svid_expires_at: at(self.health.svid().expires_at),
            policy: policy
                .map(|policy| policy.hash().to_string())
                .unwrap_or_default(),
            policy_loaded_at: status.loaded_at.and_then(at),
            policy_error: status.refused.unwrap_or_default(),
            open_jobs: self.operations.open_jobs().unwrap_or_default(),
            sessions: self.operations.live_sessions() as u64,
            started_at: at(self.identity.started_at),
            ready: report.ready,
            problems,
        }))
    }

    async fn list_jobs(
        &self,
        request: Request<v1::ListJobsRequest>,
    ) -> Result<Response<v1::ListJobsResponse>, Status> {
        let by = operator(&request)?;
        let request = request.into_inner();
        self.record("ListJobs", &by, json!({ "subject": request.subject }))
            .await;
        let query = JobQuery {
            subject: non_empty(request.subject),
            task: non_empty(request.task),
            open: open_or_ended(request.state)?,
            before: page_token(&request.page_token)?,
            limit: page_size(request.page_size),
        };
        let page = self.operations.list_jobs(&query).map_err(refused)?;
        Ok(Response::new(v1::ListJobsResponse {
            next_page_token: page.next.map(|id| id.to_string()).unwrap_or_default(),
            jobs: page.jobs.iter().map(admin_answers::job).collect(),
        }))
    }

    async fn get_job(
        &self,
        request: Request<v1::GetJobRequest>,
    ) -> Result<Response<v1::GetJobResponse>, Status> {
        let by = operator(&request)?;
        let id = requests::job_id(&request.into_inner().job_id).map_err(refused)?;
        self.record("GetJob", &by, json!({ "job": id.to_string() }))
            .await;
        let job = self
            .operations
            .job(id)
            .map_err(refused)?
            .ok_or_else(no_job)?;
        Ok(Response::new(admin_answers::whole_job(&job)))
    }

    async fn end_job(
        &self,
        request: Request<v1::EndJobRequest>,
    ) -> Result<Response<v1::EndJobResponse>, Status> {
        let by = operator(&request)?;
        let request = request.into_inner();
        let id = requests::job_id(&request.job_id).map_err(refused)?;
        let about = json!({ "job": id.to_string(), "note": request.note });
        self.record("EndJob", &by, about).await;
        let details = json!({ "by": by, "note": request.note });
        match self
            .operations
            .end_by_broker(id, Cause::Operator, details)
            .await
        {
            OperatorEnd::Unknown => Err(no_job()),
            OperatorEnd::Known(progress) => {
                let (progress, cause) = answers::progress_and_cause(progress);
                Ok(Response::new(v1::EndJobResponse { progress, cause }))
            }
        }
    }

    async fn list_leases(
        &self,
        request: Request<v1::ListLeasesRequest>,
    ) -> Result<Response<v1::ListLeasesResponse>, Status> {
        let by = operator(&request)?;
        let request = request.into_inner();
        self.record("ListLeases", &by, json!({ "subject": request.subject }))
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
            let page = self.operations.list_jobs(&query).map_err(refused)?;
            (page.jobs, page.next)
        } else {
            let id = requests::job_id(&request.job_id).map_err(refused)?;
            (
                self.operations
                    .job(id)
                    .map_err(refused)?
                    .into_iter()
                    .collect(),
                None,
            )
        };
        let leases = jobs.iter().flat_map(admin_answers::leases);
        let wanted =
            |lease: &v1::LeaseSummary| state.is_none_or(|state| lease.state == i32::from(state));
        Ok(Response::new(v1::ListLeasesResponse {
            leases: leases.filter(wanted).collect(),
            next_page_token: next.map(|id| id.to_string()).unwrap_or_default(),
        }))
    }

    async fn get_lease(
        &self,
        request: Request<v1::GetLeaseRequest>,
    ) -> Result<Response<v1::GetLeaseResponse>, Status> {
        let by = operator(&request)?;
        let id = requests::lease_id(&request.into_inner().lease_id).map_err(refused)?;
        self.record("GetLease", &by, json!({ "lease": id.to_string() }))
            .await;
        let job = self
            .operations
            .job(id.job())
            .map_err(refused)?
            .ok_or_else(no_lease)?;
        let lease = admin_answers::leases(&job)
            .into_iter()
            .find(|l| l.lease_id == id.to_string());
        Ok(Response::new(v1::GetLeaseResponse {
            lease: Some(lease.ok_or_else(no_lease)?),
            job: Some(admin_answers::job(&job)),
        }))
    }

    async fn revoke_lease(
        &self,
        request: Request<v1::RevokeLeaseRequest>,
    ) -> Result<Response<v1::RevokeLeaseResponse>, Status> {
        let by = operator(&request)?;
        let request = request.into_inner();
        let id = requests::lease_id(&request.lease_id).map_err(refused)?;
        let about = json!({ "lease": id.to_string(), "note": request.note });
        self.record("RevokeLease", &by, about).await;
        let ended = self
            .operations
            .revoke_lease(id, &by, &request.note)
            .await
            .map_err(refused)?;
        let cause = match ended {
            LeaseEnded::Now => Cause::Operator,
            LeaseEnded::Before(cause) => cause,
            LeaseEnded::Unknown => return Err(no_lease()),
        };
        let (progress, cause) = answers::progress_and_cause(Progress::Confirmed(cause));
        Ok(Response::new(v1::RevokeLeaseResponse { progress, cause }))
    }

    async fn ban(
        &self,
        request: Request<v1::BanRequest>,
    ) -> Result<Response<v1::BanResponse>, Status> {
        use v1::ban_request::Target;
        let by = operator(&request)?;
        let request = request.into_inner();
        if request.note.trim().is_empty() {
            return Err(refused(requests::invalid(
                "`note` says why; it is mandatory for a ban",
            )));
        }
        let target = match request.target {
            Some(Target::SpiffeId(id)) => workload(&id)?,
            Some(Target::Holder(hash)) => holder(&hash)?,
            None => return Err(refused(requests::invalid("`target` is missing"))),
        };
        let until = request.until.as_ref().map(millis_from_timestamp);
        let until = match until {
            Some(None) => return Err(refused(requests::invalid("`until` is not a time"))),
            Some(Some(millis)) => Some(UnixMillis::new(millis)),
            None => None,
        };
        let since = self.operations.now();
        if until.is_some_and(|until| until <= since) {
            return Err(refused(requests::invalid("`until` lies in the past")));
        }
        let ban = Ban {
            target,
            since,
            until,
            note: request.note,
            by,
        };
        let ended_jobs = self.operations.ban(ban).await.map_err(refused)?;
        Ok(Response::new(v1::BanResponse { ended_jobs }))
    }

    async fn unban(
        &self,
        request: Request<v1::UnbanRequest>,
    ) -> Result<Response<v1::UnbanResponse>, Status> {
        use v1::unban_request::Target;
        let by = operator(&request)?;
        let request = request.into_inner();
        let target = match request.target {
            Some(Target::SpiffeId(id)) => workload(&id)?,
            Some(Target::Holder(hash)) => holder(&hash)?,
            None => return Err(refused(requests::invalid("`target` is missing"))),
        };
        if self
            .operations
            .unban(target, &by, &request.note)
            .await
            .map_err(refused)?
        {
            Ok(Response::new(v1::UnbanResponse {}))
        } else {
            Err(Status::not_found(
                "there is no such ban; `taskpass workload list` shows them",
            ))
        }
    }

    async fn list_bans(
        &self,
        request: Request<v1::ListBansRequest>,
    ) -> Result<Response<v1::ListBansResponse>, Status> {
        self.record("ListBans", &operator(&request)?, json!({}))
            .await;
        let now = self.operations.now();
        let bans = self.operations.bans();
        let in_force = bans
            .iter()
            .filter(|ban| ban.until.is_none_or(|until| now < until));
        Ok(Response::new(v1::ListBansResponse {
            bans: in_force.map(admin_answers::ban).collect(),
        }))
    }

    async fn list_audit_records(
        &self,
        request: Request<v1::ListAuditRecordsRequest>,
    ) -> Result<Response<v1::ListAuditRecordsResponse>, Status> {
        let by = operator(&request)?;
        let request = request.into_inner();
        self.record(
            "ListAuditRecords",
            &by,
            json!({ "position": request.position }),
        )
        .await;
        let query = AuditQuery {
            position: request.position,
            newest_first: request.newest_first,
            limit: page_size(request.page_size),
            subject: non_empty(request.subject),
            job: non_empty(request.job_id),
            event: non_empty(request.event),
        };
        let page = self.operations.audit(&query).map_err(refused)?;
        Ok(Response::new(v1::ListAuditRecordsResponse {
            records: page
                .records
                .into_iter()
                .map(admin_answers::record)
                .collect(),
            next_position: page.next.unwrap_or_default(),
        }))
    }

    async fn get_audit_record(
        &self,
        request: Request<v1::GetAuditRecordRequest>,
    ) -> Result<Response<v1::GetAuditRecordResponse>, Status> {
        use v1::get_audit_record_request::Key;
        let by = operator(&request)?;
        let key = match request.into_inner().key {
            Some(Key::Number(number)) => RecordKey::Number(number),
            Some(Key::DecisionId(id)) => RecordKey::Decision(id),
            None => return Err(refused(requests::invalid("`key` is missing"))),
        };
        self.record("GetAuditRecord", &by, json!({})).await;
        let record = self.operations.audit_record(&key).map_err(refused)?;
        let record = record.ok_or_else(|| Status::not_found("there is no such audit record"))?;
        Ok(Response::new(v1::GetAuditRecordResponse {
            record: Some(admin_answers::record(record)),
        }))
    }

    async fn reload_policy(
        &self,
        request: Request<v1::ReloadPolicyRequest>,
    ) -> Result<Response<v1::ReloadPolicyResponse>, Status> {
        self.record("ReloadPolicy", &operator(&request)?, json!({}))
            .await;
        let changed = self.policy.reload(&self.operations).await;
        let changed = changed.map_err(Status::failed_precondition)?;
        let policy = self.operations.policy();
        Ok(Response::new(v1::ReloadPolicyResponse {
            policy: policy
                .map(|policy| policy.hash().to_string())
                .unwrap_or_default(),
            changed,
        }))
    }

    async fn list_keys(
        &self,
        _: Request<v1::ListKeysRequest>,
    ) -> Result<Response<v1::ListKeysResponse>, Status> {
        Err(unimplemented("ListKeys"))
    }

    async fn rotate_key(
        &self,
        _: Request<v1::RotateKeyRequest>,
    ) -> Result<Response<v1::RotateKeyResponse>, Status> {
        Err(unimplemented("RotateKey"))
    }

    async fn retire_key(
        &self,
        _: Request<v1::RetireKeyRequest>,
    ) -> Result<Response<v1::RetireKeyResponse>, Status> {
        Err(unimplemented("RetireKey"))
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

fn no_job() -> Status {
    refused(Refusal::new(Reason::JobUnknown, "there is no such job"))
}

fn no_lease() -> Status {
    refused(Refusal::new(Reason::LeaseUnknown, "there is no such lease"))
}

fn workload(id: &str) -> Result<BanTarget, Status> {
    id.parse().map(BanTarget::Workload).map_err(|error| {
        refused(requests::invalid(format!(
            "`{id}` is not a SPIFFE ID: {error}"
        )))
    })
}

fn holder(hash: &str) -> Result<BanTarget, Status> {
    HolderHash::from_hex(hash)
        .map(BanTarget::Holder)
        .ok_or_else(|| {
            refused(requests::invalid(
                "a holder is named by the 64 digits that `job show` prints",
            ))
        })
}

fn page_size(asked: u32) -> usize {
    match usize::try_from(asked).unwrap_or(MAX_PAGE) {
        0 => PAGE,
        asked => asked.min(MAX_PAGE),
    }
}

fn page_token(token: &str) -> Result<Option<taskpass_proto::ids::JobId>, Status> {
    if token.is_empty() {
        return Ok(None);
    }
    let token = token
        .parse()
        .map_err(|_| refused(requests::invalid("`page_token` is none of ours")));
    token.map(Some)
}

fn open_or_ended(state: i32) -> Result<Option<bool>, Status> {
    match v1::JobState::try_from(state) {
        Ok(v1::JobState::Unspecified) => Ok(None),
        Ok(v1::JobState::Open) => Ok(Some(true)),
        Ok(v1::JobState::Ended) => Ok(Some(false)),
        Ok(v1::JobState::Pending) | Err(_) => Err(refused(requests::invalid(
            "`state` is open or ended in this version",
        ))),
    }
}

fn lease_state(state: i32) -> Result<Option<v1::LeaseState>, Status> {
    match v1::LeaseState::try_from(state) {
        Ok(v1::LeaseState::Unspecified) => Ok(None),
        Ok(state) => Ok(Some(state)),
        Err(_) => Err(refused(requests::invalid("`state` has an unknown value"))),
    }
}

fn non_empty(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}
