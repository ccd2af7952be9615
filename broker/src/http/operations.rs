//! Health, readiness and metrics.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;

use crate::app::health::Health;

#[derive(Clone)]
struct Watched {
    health: Arc<Health>,
    metrics: PrometheusHandle,
}

/// Serves `/healthz`, `/readyz` and `/metrics`.
pub fn router(health: Arc<Health>, metrics: PrometheusHandle) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readiness))
        .route("/metrics", get(render))
        .with_state(Watched { health, metrics })
}

async fn readiness(State(watched): State<Watched>) -> impl IntoResponse {
    let report = watched.health.report();
    let status = if report.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let problems = report
        .problems
        .iter()
        .map(|p| json!({ "what": p.what, "remedy": p.remedy }));
    (
        status,
        Json(json!({ "ready": report.ready, "problems": problems.collect::<Vec<_>>() })),
    )
}

async fn render(State(watched): State<Watched>) -> impl IntoResponse {
    watched.health.gauge();
    let text = watched.metrics.render();
    (
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        text,
    )
}
