//! Bans of workloads and holders.

use serde_json::json;
use taskpass_proto::holder::HolderHash;
use taskpass_proto::time::millis_from_timestamp;
use taskpass_proto::v1;
use tonic::Status;

use super::{AdminService, answers};
use crate::domain::ban::{Ban, BanTarget};
use crate::domain::time::UnixMillis;
use crate::grpc::refusals::refused;
use crate::grpc::requests;

pub(super) async fn ban(
    service: &AdminService,
    by: &str,
    request: v1::BanRequest,
) -> Result<v1::BanResponse, Status> {
    use v1::ban_request::Target;
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
    let since = service.operations.now();
    if until.is_some_and(|until| until <= since) {
        return Err(refused(requests::invalid("`until` lies in the past")));
    }
    let ban = Ban {
        target,
        since,
        until,
        note: request.note,
        by: by.to_owned(),
    };
    let ended_jobs = service.operations.ban(ban).await.map_err(refused)?;
    Ok(v1::BanResponse { ended_jobs })
}

pub(super) async fn unban(
    service: &AdminService,
    by: &str,
    request: v1::UnbanRequest,
) -> Result<v1::UnbanResponse, Status> {
    use v1::unban_request::Target;
    let target = match request.target {
        Some(Target::SpiffeId(id)) => workload(&id)?,
        Some(Target::Holder(hash)) => holder(&hash)?,
        None => return Err(refused(requests::invalid("`target` is missing"))),
    };
    if service
        .operations
        .unban(target, by, &request.note)
        .await
        .map_err(refused)?
    {
        Ok(v1::UnbanResponse {})
    } else {
        Err(Status::not_found(
            "there is no such ban; `taskpass workload list` shows them",
        ))
    }
}

pub(super) async fn list(service: &AdminService, by: &str) -> Result<v1::ListBansResponse, Status> {
    service.record("ListBans", by, json!({})).await;
    let now = service.operations.now();
    let bans = service.operations.bans();
    let in_force = bans
        .iter()
        .filter(|ban| ban.until.is_none_or(|until| now < until));
    Ok(v1::ListBansResponse {
        bans: in_force.map(answers::ban).collect(),
    })
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
