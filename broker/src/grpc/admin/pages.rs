//! Parts of requests that several calls share.

use taskpass_proto::ids::JobId;
use tonic::Status;

use crate::grpc::refusals::refused;
use crate::grpc::requests;

/// Rows of one page, unless asked for fewer.
const PAGE: usize = 100;
const MAX_PAGE: usize = 1000;

/// How many rows to answer with.
pub(super) fn page_size(asked: u32) -> usize {
    match usize::try_from(asked).unwrap_or(MAX_PAGE) {
        0 => PAGE,
        asked => asked.min(MAX_PAGE),
    }
}

/// Where to go on, if anywhere.
pub(super) fn page_token(token: &str) -> Result<Option<JobId>, Status> {
    if token.is_empty() {
        return Ok(None);
    }
    let token = token
        .parse()
        .map_err(|_| refused(requests::invalid("`page_token` is none of ours")));
    token.map(Some)
}

/// A text, unless it is the wire's way to say none.
pub(super) fn non_empty(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}
