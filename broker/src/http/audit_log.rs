//! The audit log as C2SP `tlog-tiles` serves it, below `/audit/`.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::domain::tlog::TilePath;
use crate::ports::log_files::LogFiles;

/// Tiles never change.
const FOREVER: &str = "public, max-age=31536000, immutable";

/// Serves `/audit/checkpoint` and `/audit/tile/…`.
pub fn router(files: Arc<dyn LogFiles>) -> Router {
    Router::new()
        .route("/audit/checkpoint", get(checkpoint))
        .route("/audit/tile/{*path}", get(tile))
        .with_state(files)
}

async fn checkpoint(State(files): State<Arc<dyn LogFiles>>) -> Response {
    let read = tokio::task::spawn_blocking(move || files.checkpoint()).await;
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    match read {
        Ok(Ok(Some(note))) => (headers, note).into_response(),
        Ok(Ok(None)) => StatusCode::NOT_FOUND.into_response(),
        Ok(Err(_)) | Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn tile(State(files): State<Arc<dyn LogFiles>>, Path(path): Path<String>) -> Response {
    // Only what is a tile's path in every letter is looked for.
    let Ok(path) = format!("tile/{path}").parse::<TilePath>() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let read = tokio::task::spawn_blocking(move || files.tile(path)).await;
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::CACHE_CONTROL, FOREVER),
    ];
    match read {
        Ok(Ok(Some(bytes))) => (headers, bytes).into_response(),
        Ok(Ok(None)) => StatusCode::NOT_FOUND.into_response(),
        Ok(Err(_)) | Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
