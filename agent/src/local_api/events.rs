//! Follows a job: a line of JSON for each change, until it has ended. When the agent is upgraded the stream
//! ends without that, and is to be asked for again.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::wire;
use crate::clock::Clock;
use crate::job::view::{JobView, Stage};

/// Streams a job's events; the first is how it stands.
pub fn follow(
    view: watch::Receiver<JobView>,
    clock: Arc<dyn Clock>,
    leaving: CancellationToken,
) -> Response {
    let lines = stream::unfold(Some((view, false)), move |state| {
        let (clock, leaving) = (Arc::clone(&clock), leaving.clone());
        async move {
            let (mut view, begun) = state?;
            loop {
                if begun {
                    leaving.run_until_cancelled(view.changed()).await?.ok()?;
                }
                let now = view.borrow_and_update().clone();
                let over = matches!(now.stage, Stage::Closing(_) | Stage::Ended(_));
                if let Some(event) = wire::event(&now, clock.since_boot()) {
                    let line = Bytes::from(format!("{event}\n"));
                    let next = (!over).then_some((view, true));
                    return Some((Ok::<_, Infallible>(line), next));
                }
                if !begun {
                    leaving.run_until_cancelled(view.changed()).await?.ok()?;
                }
            }
        }
    });
    let kind = HeaderValue::from_static("application/x-ndjson");
    ([(header::CONTENT_TYPE, kind)], Body::from_stream(lines)).into_response()
}
