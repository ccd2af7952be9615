//! What anybody may read: `OpenID` discovery and the key set.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::adapters::keys::key_set::KeySet;
use crate::ports::clock::Clock;

/// How long verifiers may keep the key set, in seconds. The next key is published for longer before it signs.
pub const MAX_AGE_SECONDS: u64 = 3600;

#[derive(Clone)]
struct Published {
    issuer: Arc<str>,
    keys: Arc<KeySet>,
    clock: Arc<dyn Clock>,
}

/// Serves the discovery documents and the key set.
pub fn router(issuer: &str, keys: Arc<KeySet>, clock: Arc<dyn Clock>) -> Router {
    Router::new()
        .route("/.well-known/openid-configuration", get(metadata))
        .route("/.well-known/oauth-authorization-server", get(metadata))
        .route("/.well-known/jwks.json", get(key_set))
        .with_state(Published {
            issuer: issuer.into(),
            keys,
            clock,
        })
}

async fn metadata(State(published): State<Published>) -> impl IntoResponse {
    cached(document(&published.issuer))
}

async fn key_set(State(published): State<Published>) -> impl IntoResponse {
    cached(published.keys.jwks(published.clock.now()))
}

/// The members that `OpenID` Connect Discovery 1.0, section 3, requires, as far as they apply.
pub fn document(issuer: &str) -> Value {
    json!({
        "issuer": issuer,
        "jwks_uri": format!("{}/.well-known/jwks.json", issuer.trim_end_matches('/')),
        "id_token_signing_alg_values_supported": ["ES256"],
        "subject_types_supported": ["public"],
        "response_types_supported": ["id_token"],
        "claims_supported": [
            "iss", "sub", "client_id", "aud", "iat", "nbf", "exp", "jti", "scope", "task", "job",
        ],
    })
}

fn cached(body: Value) -> impl IntoResponse {
    let cache = format!("public, max-age={MAX_AGE_SECONDS}");
    ([(header::CACHE_CONTROL, cache)], Json(body))
}
