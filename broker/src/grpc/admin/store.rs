//! Backups of the store.

use futures_util::stream::{self, BoxStream, StreamExt};
use serde_json::json;
use taskpass_proto::reason::Reason;
use taskpass_proto::refusal::Refusal;
use taskpass_proto::v1;
use taskpass_proto::v1::back_up_store_response::{Copying, Done, Message};
use tonic::Status;

use super::AdminService;
use crate::grpc::refusals::refused;
use crate::grpc::requests;
use crate::operations::back_up::BackupNews;
use crate::ports::store::backup::BackupError;

/// What a caller hears of a backup.
pub(super) type Progress = BoxStream<'static, Result<v1::BackUpStoreResponse, Status>>;

pub(super) async fn back_up(
    service: &AdminService,
    by: &str,
    request: v1::BackUpStoreRequest,
) -> Progress {
    let about = json!({ "destination": request.destination });
    service.record("BackUpStore", by, about).await;
    let destination = request.destination.into();
    let news = service.operations.back_up(destination, by.to_owned());
    stream::unfold(news, |mut news| async {
        let next = news.recv().await?;
        Some((response(next), news))
    })
    .boxed()
}

fn response(news: BackupNews) -> Result<v1::BackUpStoreResponse, Status> {
    let message = match news {
        BackupNews::Copying(progress) => Message::Copying(Copying {
            copied_pages: progress.copied,
            pages: progress.pages,
        }),
        BackupNews::Over(outcome) => {
            let made = outcome.map_err(|error| not_made(&error))?;
            Message::Done(Done {
                bytes: made.bytes,
                last_record: made.last_record,
            })
        }
    };
    Ok(v1::BackUpStoreResponse {
        message: Some(message),
    })
}

fn not_made(error: &BackupError) -> Status {
    refused(match error {
        BackupError::NotAbsolute(_) | BackupError::Exists(_) | BackupError::File { .. } => {
            requests::invalid(error.to_string())
        }
        BackupError::Busy
        | BackupError::Stopped
        | BackupError::Damaged(_)
        | BackupError::Store(_) => Refusal::new(Reason::StoreUnavailable, error.to_string()),
    })
}
