//! Jobs, as operators see and end them.

use serde_json::json;
use taskpass_proto::reason::Reason;
use taskpass_proto::refusal::Refusal;
use taskpass_proto::v1;
use tonic::Status;

use super::pages::{non_empty, page_size, page_token};
use super::{AdminService, answers};
use crate::domain::cause::Cause;
use crate::grpc::answers::progress_and_cause;
use crate::grpc::refusals::refused;
use crate::grpc::requests;
use crate::operations::end_job::OperatorEnd;
use crate::ports::store::jobs::JobQuery;

pub(super) async fn list(
    service: &AdminService,
    by: &str,
    request: v1::ListJobsRequest,
) -> Result<v1::ListJobsResponse, Status> {
    service
        .record("ListJobs", by, json!({ "subject": request.subject }))
        .await;
    let query = JobQuery {
        subject: non_empty(request.subject),
        task: non_empty(request.task),
        open: open_or_ended(request.state)?,
        before: page_token(&request.page_token)?,
        limit: page_size(request.page_size),
    };
    let page = service.operations.list_jobs(&query).map_err(refused)?;
    Ok(v1::ListJobsResponse {
        next_page_token: page.next.map(|id| id.to_string()).unwrap_or_default(),
        jobs: page.jobs.iter().map(answers::job).collect(),
    })
}

pub(super) async fn get(
    service: &AdminService,
    by: &str,
    request: v1::GetJobRequest,
) -> Result<v1::GetJobResponse, Status> {
    let id = requests::job_id(&request.job_id).map_err(refused)?;
    service
        .record("GetJob", by, json!({ "job": id.to_string() }))
        .await;
    let job = service
        .operations
        .job(id)
        .map_err(refused)?
        .ok_or_else(no_job)?;
    Ok(answers::whole_job(&job))
}

pub(super) async fn end(
    service: &AdminService,
    by: &str,
    request: v1::EndJobRequest,
) -> Result<v1::EndJobResponse, Status> {
    let id = requests::job_id(&request.job_id).map_err(refused)?;
    let about = json!({ "job": id.to_string(), "note": request.note });
    service.record("EndJob", by, about).await;
    let details = json!({ "by": by, "note": request.note });
    match service
        .operations
        .end_by_broker(id, Cause::Operator, details)
        .await
    {
        OperatorEnd::Unknown => Err(no_job()),
        OperatorEnd::Known(progress) => {
            let (progress, cause) = progress_and_cause(progress);
            Ok(v1::EndJobResponse { progress, cause })
        }
    }
}

fn no_job() -> Status {
    refused(Refusal::new(Reason::JobUnknown, "there is no such job"))
}

fn open_or_ended(state: i32) -> Result<Option<bool>, Status> {
    match v1::JobState::try_from(state) {
        Ok(v1::JobState::Unspecified) => Ok(None),
        Ok(v1::JobState::Open) => Ok(Some(true)),
        Ok(v1::JobState::Ended) => Ok(Some(false)),
        Ok(v1::JobState::Pending) | Err(_) => Err(refused(requests::invalid(
            "`state` is open or ended in service version",
        ))),
    }
}
