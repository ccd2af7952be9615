//! A broker's administration that answers as it is told.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use taskpass_proto::reason::Reason;
use taskpass_proto::refusal::Refusal;
use taskpass_proto::time::timestamp_from_millis;
use taskpass_proto::v1::admin_server::{Admin, AdminServer};
use taskpass_proto::v1::{self, *};
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::runtime::Runtime;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::{Request, Response, Status};

use super::fake_agent::JOB;
use super::taskpass;

pub(super) const LEASE: &str = "lease_01k8m5v4x8e2rr9t6cz1j3q7yd_1";
pub(super) const SUBJECT: &str = "spiffe://acme.example/prod/ci/docs/runner";

/// A running broker's administration. It ends when it is dropped.
pub(super) struct FakeBroker {
    home: TempDir,
    script: Arc<Script>,
    _runtime: Runtime,
}

/// What it answers and what it was asked.
#[derive(Default)]
pub(super) struct Script {
    /// Answers `pending` this often before `confirmed`.
    pub(super) pending: Mutex<u32>,
    /// What is wrong with it.
    pub(super) status: Mutex<GetStatusResponse>,
    /// Bans and lifted bans, as they came.
    pub(super) bans: Mutex<Vec<String>>,
    /// Notes of what was ended.
    pub(super) notes: Mutex<Vec<String>>,
}

impl FakeBroker {
    /// Starts one that has one job with one lease.
    pub(super) fn start() -> Self {
        let home = TempDir::new().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let script = Arc::new(Script::default());
        let listener = {
            let _guard = runtime.enter();
            UnixListener::bind(socket_in(home.path())).unwrap()
        };
        let service = AdminServer::new(Answers(script.clone()));
        runtime.spawn(
            tonic::transport::Server::builder()
                .add_service(service)
                .serve_with_incoming(UnixListenerStream::new(listener)),
        );
        Self {
            home,
            script,
            _runtime: runtime,
        }
    }

    /// A command line that asks this broker.
    pub(super) fn taskpass(&self, arguments: &[&str]) -> Command {
        let mut command = taskpass(arguments);
        command.env("TASKPASS_ADMIN_SOCKET", socket_in(self.home.path()));
        command
    }

    /// Its socket.
    pub(super) fn socket(&self) -> PathBuf {
        socket_in(self.home.path())
    }

    /// What it answers and what it was asked.
    pub(super) fn script(&self) -> &Script {
        &self.script
    }
}

fn socket_in(home: &Path) -> PathBuf {
    home.join("admin.sock")
}

/// A time this many seconds from now.
pub(super) fn away(seconds: i64) -> prost_types::Timestamp {
    let at = Timestamp::now() + SignedDuration::from_secs(seconds);
    timestamp_from_millis(at.as_millisecond().try_into().unwrap())
}

fn job() -> JobSummary {
    JobSummary {
        job_id: JOB.to_owned(),
        subject: SUBJECT.to_owned(),
        task: "deploy-docs".to_owned(),
        state: JobState::Open.into(),
        cause: Cause::Unspecified.into(),
        opened_at: Some(away(-9030)),
        ends_by: Some(away(1530)),
        ended_at: None,
        leases: 1,
        liveness: Liveness::Heartbeat.into(),
    }
}

fn lease() -> LeaseSummary {
    LeaseSummary {
        lease_id: LEASE.to_owned(),
        job_id: JOB.to_owned(),
        subject: SUBJECT.to_owned(),
        credential: "docs-api".to_owned(),
        issuer: "jwt".to_owned(),
        state: LeaseState::Ended.into(),
        cause: Cause::Operator.into(),
        generation: 2,
        issued_at: Some(away(-9030)),
        expires_at: Some(away(1530)),
        ended_at: Some(away(-1530)),
        revocability: Some(v1::Revocability {
            kind: Some(revocability::Kind::Bounded(prost_types::Duration {
                seconds: 30,
                nanos: 0,
            })),
        }),
        scopes: vec!["docs:write".to_owned()],
        audience: "https://docs.acme.example".to_owned(),
    }
}

fn record(number: u64) -> AuditRecord {
    AuditRecord {
        number,
        at: Some(away(-1530)),
        event: "job.denied".to_owned(),
        subject: SUBJECT.to_owned(),
        task: "deploy-docs".to_owned(),
        outcome: "PARAMETER_INVALID".to_owned(),
        policy: "p1".to_owned(),
        // A value with an escape sequence, as a hostile workload may send it.
        details: r#"{"parameter":"ref","value":"\u001b[2J\u009b"}"#.to_owned(),
        decision_id: format!("dec_{number}"),
        ..AuditRecord::default()
    }
}

fn unknown(reason: Reason) -> Status {
    Refusal::new(reason, "there is none with this id").to_status()
}

struct Answers(Arc<Script>);

impl Answers {
    fn progress(&self, note: String) -> (i32, i32) {
        self.0.notes.lock().unwrap().push(note);
        let mut pending = self.0.pending.lock().unwrap();
        let progress = match *pending {
            0 => EndProgress::Confirmed,
            _ => EndProgress::Pending,
        };
        *pending = pending.saturating_sub(1);
        (progress.into(), Cause::Operator.into())
    }
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Admin for Answers {
    async fn get_status(&self, _: Request<GetStatusRequest>) -> Answer<GetStatusResponse> {
        Ok(Response::new(self.0.status.lock().unwrap().clone()))
    }

    async fn list_jobs(&self, request: Request<ListJobsRequest>) -> Answer<ListJobsResponse> {
        let jobs = match request.into_inner().task.as_str() {
            "none" => Vec::new(),
            _ => vec![job()],
        };
        let next_page_token = String::new();
        Ok(Response::new(ListJobsResponse {
            jobs,
            next_page_token,
        }))
    }

    async fn get_job(&self, request: Request<GetJobRequest>) -> Answer<GetJobResponse> {
        if request.into_inner().job_id != JOB {
            return Err(unknown(Reason::JobUnknown));
        }
        Ok(Response::new(GetJobResponse {
            job: Some(job()),
            parameters: [("ref".to_owned(), "main".to_owned())].into(),
            leases: vec![lease()],
            policy: "p1".to_owned(),
            reported: Some(ReportedCaller {
                host: "node-7".to_owned(),
                uid: 1000,
                gid: 1000,
                pid: 4711,
                executable: "/usr/bin/taskpass".to_owned(),
            }),
            holder: "ab".repeat(32),
        }))
    }

    async fn end_job(&self, request: Request<EndJobRequest>) -> Answer<EndJobResponse> {
        let (progress, cause) = self.progress(request.into_inner().note);
        Ok(Response::new(EndJobResponse { progress, cause }))
    }

    async fn list_leases(&self, _: Request<ListLeasesRequest>) -> Answer<ListLeasesResponse> {
        let (leases, next_page_token) = (vec![lease()], String::new());
        Ok(Response::new(ListLeasesResponse {
            leases,
            next_page_token,
        }))
    }

    async fn get_lease(&self, _: Request<GetLeaseRequest>) -> Answer<GetLeaseResponse> {
        let (lease, job) = (Some(lease()), Some(job()));
        Ok(Response::new(GetLeaseResponse { lease, job }))
    }

    async fn revoke_lease(
        &self,
        request: Request<RevokeLeaseRequest>,
    ) -> Answer<RevokeLeaseResponse> {
        let (progress, cause) = self.progress(request.into_inner().note);
        Ok(Response::new(RevokeLeaseResponse { progress, cause }))
    }

    async fn ban(&self, request: Request<BanRequest>) -> Answer<BanResponse> {
        let BanRequest {
            target,
            note,
            until,
        } = request.into_inner();
        let line = format!("ban {target:?} {note:?} {}", until.is_some());
        self.0.bans.lock().unwrap().push(line);
        Ok(Response::new(BanResponse { ended_jobs: 2 }))
    }

    async fn unban(&self, request: Request<UnbanRequest>) -> Answer<UnbanResponse> {
        let UnbanRequest { target, note } = request.into_inner();
        self.0
            .bans
            .lock()
            .unwrap()
            .push(format!("unban {target:?} {note:?}"));
        Ok(Response::new(UnbanResponse {}))
    }

    async fn list_bans(&self, _: Request<ListBansRequest>) -> Answer<ListBansResponse> {
        use list_bans_response::{BanEntry, ban_entry::Target};
        Ok(Response::new(ListBansResponse {
            bans: vec![BanEntry {
                target: Some(Target::SpiffeId(SUBJECT.to_owned())),
                since: Some(away(-1530)),
                until: None,
                note: "compromised\nrunner".to_owned(),
                by: "uid 0".to_owned(),
            }],
        }))
    }

    async fn list_audit_records(
        &self,
        request: Request<ListAuditRecordsRequest>,
    ) -> Answer<ListAuditRecordsResponse> {
        // Two records a page, from the end, whatever size was asked for.
        let before = match request.into_inner().position {
            0 => 6,
            position => position,
        };
        let records = (before.saturating_sub(2).max(1)..before)
            .rev()
            .map(record)
            .collect();
        let next_position = match before.saturating_sub(2) {
            0 | 1 => 0,
            next => next,
        };
        Ok(Response::new(ListAuditRecordsResponse {
            records,
            next_position,
        }))
    }

    async fn get_audit_record(
        &self,
        request: Request<GetAuditRecordRequest>,
    ) -> Answer<GetAuditRecordResponse> {
        use get_audit_record_request::Key;
        let number = match request.into_inner().key {
            Some(Key::Number(number)) => number,
            Some(Key::DecisionId(id)) => id.trim_start_matches("dec_").parse().unwrap(),
            None => return Err(unknown(Reason::RequestInvalid)),
        };
        let record = Some(record(number));
        Ok(Response::new(GetAuditRecordResponse { record }))
    }

    async fn get_policy(&self, _: Request<GetPolicyRequest>) -> Answer<GetPolicyResponse> {
        Err(unknown(Reason::Unimplemented))
    }

    async fn get_audit_checkpoint(
        &self,
        _: Request<GetAuditCheckpointRequest>,
    ) -> Answer<GetAuditCheckpointResponse> {
        Err(unknown(Reason::Unimplemented))
    }

    async fn prove_audit_record(
        &self,
        _: Request<ProveAuditRecordRequest>,
    ) -> Answer<ProveAuditRecordResponse> {
        Err(unknown(Reason::Unimplemented))
    }

    async fn export_audit_records(
        &self,
        _: Request<ExportAuditRecordsRequest>,
    ) -> Answer<ExportAuditRecordsResponse> {
        Err(unknown(Reason::Unimplemented))
    }

    async fn erase_audit_details(
        &self,
        _: Request<EraseAuditDetailsRequest>,
    ) -> Answer<EraseAuditDetailsResponse> {
        Err(unknown(Reason::Unimplemented))
    }

    async fn reload_policy(&self, _: Request<ReloadPolicyRequest>) -> Answer<ReloadPolicyResponse> {
        Err(unknown(Reason::Unimplemented))
    }

    type BackUpStoreStream = tokio_stream::Empty<Result<v1::BackUpStoreResponse, Status>>;

    async fn back_up_store(
        &self,
        _: Request<v1::BackUpStoreRequest>,
    ) -> Answer<Self::BackUpStoreStream> {
        Err(unknown(Reason::Unimplemented))
    }

    async fn get_policy_status(
        &self,
        _: Request<GetPolicyStatusRequest>,
    ) -> Answer<GetPolicyStatusResponse> {
        Err(unknown(Reason::Unimplemented))
    }

    async fn list_keys(&self, _: Request<ListKeysRequest>) -> Answer<ListKeysResponse> {
        Err(unknown(Reason::Unimplemented))
    }

    async fn rotate_key(&self, _: Request<RotateKeyRequest>) -> Answer<RotateKeyResponse> {
        Err(unknown(Reason::Unimplemented))
    }

    async fn export_keys(&self, _: Request<ExportKeysRequest>) -> Answer<ExportKeysResponse> {
        Err(unknown(Reason::Unimplemented))
    }

    async fn retire_key(&self, _: Request<RetireKeyRequest>) -> Answer<RetireKeyResponse> {
        Err(unknown(Reason::Unimplemented))
    }

    async fn list_approvals(
        &self,
        _: Request<ListApprovalsRequest>,
    ) -> Answer<ListApprovalsResponse> {
        Err(unknown(Reason::Unimplemented))
    }

    async fn decide_approval(
        &self,
        _: Request<DecideApprovalRequest>,
    ) -> Answer<DecideApprovalResponse> {
        Err(unknown(Reason::Unimplemented))
    }
}
