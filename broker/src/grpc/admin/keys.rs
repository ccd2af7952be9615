//! Signing keys.

use serde_json::json;
use taskpass_proto::reason::Reason;
use taskpass_proto::refusal::Refusal;
use taskpass_proto::time::{timestamp_from_millis, to_wire};
use taskpass_proto::v1;
use tonic::Status;

use super::AdminService;
use crate::domain::key_schedule::change::Patience;
use crate::domain::time::UnixMillis;
use crate::domain::token_form::Algorithm;
use crate::grpc::refusals::refused;
use crate::grpc::requests;
use crate::ports::key_desk::{ListedKey, Order, OrderFailed};

pub(super) async fn list(service: &AdminService, by: &str) -> Result<v1::ListKeysResponse, Status> {
    service.record("ListKeys", by, json!({})).await;
    let keys = service.keys.desk.list(service.operations.now());
    Ok(v1::ListKeysResponse {
        keys: keys.iter().map(key).collect(),
    })
}

pub(super) async fn rotate(
    service: &AdminService,
    by: &str,
    request: v1::RotateKeyRequest,
) -> Result<v1::RotateKeyResponse, Status> {
    let algorithm = match request.algorithm.as_str() {
        "" => Algorithm::default(),
        name => name
            .parse()
            .map_err(|error| refused(requests::invalid(format!("`algorithm`: {error}"))))?,
    };
    let order = order(by, request.note, request.now)?;
    let rotated = service
        .keys
        .desk
        .rotate(algorithm, &order, service.operations.now())
        .await
        .map_err(|error| failed(&error))?;
    tracing::warn!(
        key.id = rotated.next.kid,
        operator = by,
        "signing keys are rotated"
    );
    Ok(v1::RotateKeyResponse {
        next: Some(key(&rotated.next)),
        under_way: rotated.is_under_way,
        known_from: Some(at(rotated.known_from)),
    })
}

pub(super) async fn retire(
    service: &AdminService,
    by: &str,
    request: v1::RetireKeyRequest,
) -> Result<v1::RetireKeyResponse, Status> {
    let order = order(by, request.note, request.now)?;
    let now = service.operations.now();
    let retired = service
        .keys
        .desk
        .retire(&request.kid, &order, now)
        .await
        .map_err(|error| failed(&error))?;
    tracing::warn!(
        key.id = request.kid,
        operator = by,
        "a signing key was retired"
    );
    let refused_until = retired
        .signing
        .as_ref()
        .map(|(_, known_from)| *known_from)
        .filter(|known_from| retired.was_signing && now < *known_from);
    Ok(v1::RetireKeyResponse {
        retired: Some(key(&retired.key)),
        was_signing: retired.was_signing,
        signing: retired.signing.as_ref().map(|(signing, _)| key(signing)),
        refused_until: refused_until.map(at),
        accepted_until: Some(at(now.plus(service.keys.documents.max_age()))),
    })
}

pub(super) async fn export(
    service: &AdminService,
    by: &str,
) -> Result<v1::ExportKeysResponse, Status> {
    service.record("ExportKeys", by, json!({})).await;
    let documents = service.keys.documents.documents();
    let documents = documents.into_iter().map(|(path, content)| {
        let path = path.trim_start_matches('/').to_owned();
        v1::export_keys_response::Document { path, content }
    });
    Ok(v1::ExportKeysResponse {
        documents: documents.collect(),
        max_age: Some(to_wire(service.keys.documents.max_age())),
    })
}

fn order(by: &str, note: String, now: bool) -> Result<Order, Status> {
    if note.trim().is_empty() {
        return Err(refused(requests::invalid(
            "`note` says why; it is mandatory for a change of keys",
        )));
    }
    Ok(Order {
        by: by.to_owned(),
        note,
        patience: if now { Patience::Now } else { Patience::Wait },
    })
}

fn failed(error: &OrderFailed) -> Status {
    match error {
        OrderFailed::Unknown(_) => {
            Status::not_found(format!("{error}; `taskpass key list` shows them"))
        }
        OrderFailed::Over { .. } => Status::failed_precondition(error.to_string()),
        OrderFailed::NextNotKnown { known_from } => {
            let wait = match known_from {
                Some(at) => format!("all of them do from {at} on"),
                None => "no other key is published; `taskpass key rotate` publishes one".to_owned(),
            };
            let message = format!(
                "the key that follows signs at once, and verifiers that cache the key set may refuse its tokens: \
                 {wait}"
            );
            refused(Refusal::new(Reason::ConfirmationRequired, message))
        }
        OrderFailed::Failed(error) => {
            tracing::error!(%error, "the signing keys could not be changed");
            refused(Refusal::new(
                Reason::StoreUnavailable,
                "the signing keys could not be changed, and are as before; the broker's log says why",
            ))
        }
    }
}

fn key(key: &ListedKey) -> v1::SigningKey {
    v1::SigningKey {
        kid: key.kid.clone(),
        algorithm: key.algorithm.to_string(),
        state: key.state.as_str().to_owned(),
        published_at: Some(at(key.times.published_at)),
        signs_from: Some(at(key.times.signs_from)),
        retires_at: key.published_until.map(at),
        retired_at: key.times.retired_at.map(at),
    }
}

fn at(at: UnixMillis) -> prost_types::Timestamp {
    timestamp_from_millis(at.as_millis())
}
