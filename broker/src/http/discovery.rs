//! What anybody may read: `OpenID` discovery and the key set.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::adapters::keys::key_set::KeySet;
use crate::ports::clock::Clock;
use crate::ports::key_desk::PublicDocuments;

const OPENID: &str = "/.well-known/openid-configuration";
const OAUTH: &str = "/.well-known/oauth-authorization-server";
const KEY_SET: &str = "/.well-known/jwks.json";

/// What is published, and for how long verifiers may keep it.
#[derive(Clone)]
pub struct Published {
    /// The issuer's URL.
    pub issuer: Arc<str>,
    /// The keys.
    pub keys: Arc<KeySet>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// How long verifiers may keep the key set. The next key is published for longer before it signs.
    pub max_age: Duration,
}

/// Serves the discovery documents and the key set.
pub fn router(published: Published) -> Router {
    Router::new()
        .route(OPENID, get(metadata))
        .route(OAUTH, get(metadata))
        .route(KEY_SET, get(key_set))
        .with_state(published)
}

async fn metadata(State(published): State<Published>) -> impl IntoResponse {
    published.cached(published.metadata())
}

async fn key_set(State(published): State<Published>) -> impl IntoResponse {
    published.cached(published.key_set())
}

impl Published {
    /// The members that `OpenID` Connect Discovery 1.0, section 3, requires, as far as they apply.
    fn metadata(&self) -> Value {
        let issuer = &*self.issuer;
        json!({
            "issuer": issuer,
            "jwks_uri": format!("{}{KEY_SET}", issuer.trim_end_matches('/')),
            "id_token_signing_alg_values_supported": self.keys.algorithms(self.clock.now()),
            "subject_types_supported": ["public"],
            "response_types_supported": ["id_token"],
            "claims_supported": [
                "iss", "sub", "client_id", "aud", "iat", "nbf", "exp", "jti", "scope", "task", "job", "cnf",
            ],
            // RFC 8705, section 3.3.
            "tls_client_certificate_bound_access_tokens": true,
        })
    }

    fn key_set(&self) -> Value {
        self.keys.jwks(self.clock.now())
    }

    fn cached(&self, body: Value) -> impl IntoResponse + use<> {
        let cache = format!("public, max-age={}", self.max_age.as_secs());
        ([(header::CACHE_CONTROL, cache)], Json(body))
    }
}

impl PublicDocuments for Published {
    fn documents(&self) -> Vec<(String, Vec<u8>)> {
        let metadata = self.metadata();
        // The key set last: whoever reads meanwhile finds it where the documents before it say.
        let documents = [
            (OPENID, &metadata),
            (OAUTH, &metadata),
            (KEY_SET, &self.key_set()),
        ];
        let written = |(path, document): (&str, &Value)| {
            let content = serde_json::to_vec_pretty(document).unwrap_or_default();
            (path.to_owned(), content)
        };
        documents.map(written).into()
    }

    fn max_age(&self) -> Duration {
        self.max_age
    }
}
