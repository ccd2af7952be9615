//! The audit log, as operators read it.

use serde_json::json;
use taskpass_proto::v1;
use tonic::Status;

use super::pages::{non_empty, page_size};
use super::{AdminService, answers};
use crate::grpc::refusals::refused;
use crate::grpc::requests;
use crate::ports::store::audit::{AuditQuery, RecordKey};

pub(super) async fn list(
    service: &AdminService,
    by: &str,
    request: v1::ListAuditRecordsRequest,
) -> Result<v1::ListAuditRecordsResponse, Status> {
    service
        .record(
            "ListAuditRecords",
            by,
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
    let page = service.operations.audit(&query).map_err(refused)?;
    Ok(v1::ListAuditRecordsResponse {
        records: page.records.into_iter().map(answers::record).collect(),
        next_position: page.next.unwrap_or_default(),
    })
}

pub(super) async fn get(
    service: &AdminService,
    by: &str,
    request: v1::GetAuditRecordRequest,
) -> Result<v1::GetAuditRecordResponse, Status> {
    use v1::get_audit_record_request::Key;
    let key = match request.key {
        Some(Key::Number(number)) => RecordKey::Number(number),
        Some(Key::DecisionId(id)) => RecordKey::Decision(id),
        None => return Err(refused(requests::invalid("`key` is missing"))),
    };
    service.record("GetAuditRecord", by, json!({})).await;
    let record = service.operations.audit_record(&key).map_err(refused)?;
    let record = record.ok_or_else(|| Status::not_found("there is no such audit record"))?;
    Ok(v1::GetAuditRecordResponse {
        record: Some(answers::record(record)),
    })
}
