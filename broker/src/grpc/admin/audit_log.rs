//! The audit log as a tree: checkpoints, proofs, exports, and what is erased.

use serde_json::json;
use taskpass_proto::ids::JobId;
use taskpass_proto::time::millis_from_timestamp;
use taskpass_proto::v1;
use taskpass_proto::v1::erase_audit_details_request::Records;
use taskpass_proto::v1::export_audit_records_response::Record;
use taskpass_proto::v1::prove_audit_record_request::Key;
use tonic::Status;

use super::AdminService;
use crate::domain::time::UnixMillis;
use crate::grpc::refusals::refused;
use crate::grpc::requests;
use crate::operations::audit_log::erase::{Erasure, ErasureOrder};
use crate::operations::audit_log::prove::{Beside, NoProof};
use crate::ports::store::StoreError;
use crate::ports::store::audit::RecordKey;
use crate::ports::store::tree::Entry;

/// Records of one page of an export.
const PAGE: usize = 2_000;
/// Bytes of one page: well below what a client takes.
const PAGE_BYTES: usize = 2 << 20;

pub(super) async fn checkpoint(
    service: &AdminService,
    by: &str,
    request: v1::GetAuditCheckpointRequest,
) -> Result<v1::GetAuditCheckpointResponse, Status> {
    let v1::GetAuditCheckpointRequest { first, last } = request;
    let about = json!({ "first": first, "last": last });
    service.record("GetAuditCheckpoint", by, about).await;
    let log = service.operations.audit_log();
    let signature = log.signature().map_err(no_proof)?;
    let size = signature.size;
    let last = if last == 0 { size } else { last };
    let beside = match first.checked_sub(1) {
        None => Beside {
            before: Vec::new(),
            after: Vec::new(),
        },
        Some(start) if start < last && last <= size => log.beside(start, last, size),
        Some(_) => {
            let message = format!("there is no such range: records 1 to {size} are signed");
            return Err(refused(requests::invalid(&message)));
        }
    };
    let bytes = |hashes: Vec<crate::domain::tlog::Hash>| {
        let bytes = hashes.iter().map(|hash| hash.as_bytes().to_vec());
        bytes.collect()
    };
    Ok(v1::GetAuditCheckpointResponse {
        checkpoint: signature.checkpoint,
        verifier_key: signature.key.to_string(),
        size,
        unsequenced: signature.unsequenced,
        before: bytes(beside.before),
        after: bytes(beside.after),
    })
}

pub(super) async fn prove(
    service: &AdminService,
    by: &str,
    request: v1::ProveAuditRecordRequest,
) -> Result<v1::ProveAuditRecordResponse, Status> {
    let number = match request.key {
        Some(Key::Number(number)) => number,
        Some(Key::DecisionId(id)) => {
            let key = RecordKey::Decision(id);
            let record = service.operations.audit_record(&key).map_err(refused)?;
            record.ok_or_else(|| no_proof(NoProof::Unknown))?.number
        }
        None => return Err(refused(requests::invalid("`key` is missing"))),
    };
    let about = json!({ "number": number });
    service.record("ProveAuditRecord", by, about).await;
    let proof = service.operations.audit_log().prove(number);
    Ok(v1::ProveAuditRecordResponse {
        number,
        proof: proof.map_err(no_proof)?.to_text(),
    })
}

pub(super) async fn export(
    service: &AdminService,
    by: &str,
    request: &v1::ExportAuditRecordsRequest,
) -> Result<v1::ExportAuditRecordsResponse, Status> {
    let about = json!({ "position": request.position, "last": request.last });
    service.record("ExportAuditRecords", by, about).await;
    let entries = service.operations.audit_entries(request.position, PAGE);
    let mut bytes = 0;
    let fits = |entry: &Entry| {
        let within = bytes < PAGE_BYTES && entry.number <= request.last;
        bytes += entry.leaf.len() + entry.details.as_ref().map_or(0, |kept| kept.details.len());
        within
    };
    let entries = entries.map_err(refused)?.into_iter().take_while(fits);
    Ok(v1::ExportAuditRecordsResponse {
        records: entries.map(record).collect(),
    })
}

pub(super) async fn erase(
    service: &AdminService,
    by: String,
    request: v1::EraseAuditDetailsRequest,
) -> Result<v1::EraseAuditDetailsResponse, Status> {
    if request.note.trim().is_empty() {
        return Err(refused(requests::invalid(
            "`note` says why; it is mandatory for erasing",
        )));
    }
    let (erasure, about) = match request.records {
        Some(Records::Numbers(numbers)) => {
            let about = json!({ "numbers": numbers.numbers });
            (Erasure::Records(numbers.numbers), about)
        }
        Some(Records::JobId(job)) => {
            let id: JobId = requests::job_id(&job).map_err(refused)?;
            (Erasure::Job(id.to_string()), json!({ "job": job }))
        }
        Some(Records::Before(time)) => {
            let millis = millis_from_timestamp(&time)
                .ok_or_else(|| refused(requests::invalid("`before` is not a time")))?;
            let about = json!({ "before": millis });
            (Erasure::Before(UnixMillis::new(millis)), about)
        }
        None => return Err(refused(requests::invalid("`records` is missing"))),
    };
    service.record("EraseAuditDetails", &by, about).await;
    let order = ErasureOrder {
        by,
        note: request.note,
    };
    let erased = service.operations.audit_log().erase(erasure, &order).await;
    Ok(v1::EraseAuditDetailsResponse {
        erased: erased.map_err(|error| store_failed(&error))?,
    })
}

fn record(entry: Entry) -> Record {
    let (salt, details) = entry
        .details
        .map(|kept| (kept.salt, kept.details))
        .unwrap_or_default();
    Record {
        number: entry.number,
        leaf: entry.leaf,
        salt,
        details,
    }
}

fn no_proof(error: NoProof) -> Status {
    match error {
        NoProof::Unknown => Status::not_found(error.to_string()),
        NoProof::TooNew | NoProof::NoCheckpoint => Status::unavailable(error.to_string()),
        NoProof::Damaged => Status::data_loss(error.to_string()),
        NoProof::Store(error) => store_failed(&error),
    }
}

fn store_failed(error: &StoreError) -> Status {
    Status::unavailable(error.to_string())
}
