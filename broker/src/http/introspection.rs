//! Token introspection for verifiers (RFC 7662), on the workload port: the caller is its SVID.

use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Form, Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::problems::Problem;
use crate::app::connection::Connection;
use crate::domain::token::Claims;
use crate::operations::Operations;
use crate::operations::gate::{CallKind, Gate};

/// The path, as discovery names it.
pub const PATH: &str = "/introspect";

/// What a verifier posts. `token_type_hint` and whatever else stands there is ignored, as section 2.1 asks.
#[derive(Deserialize, Zeroize, ZeroizeOnDrop)]
struct Query {
    token: String,
}

#[derive(Clone)]
struct Verifiers {
    operations: Arc<Operations>,
    gate: Arc<Gate>,
}

/// Serves [`PATH`].
pub fn router(operations: Arc<Operations>, gate: Arc<Gate>) -> Router {
    Router::new()
        .route(PATH, post(introspect))
        .with_state(Verifiers { operations, gate })
}

async fn introspect(
    State(verifiers): State<Verifiers>,
    Extension(connection): Extension<Arc<Connection>>,
    Form(query): Form<Query>,
) -> Result<Response, Problem> {
    let Verifiers { operations, gate } = verifiers;
    let caller = gate
        .admit(connection.peer(), CallKind::GivesBack)
        .map_err(Problem)?;
    let claims = operations
        .introspect(&caller, &query.token)
        .map_err(Problem)?;
    let body = Json(answer(claims.as_deref()));
    Ok(([(header::CACHE_CONTROL, "no-store")], body).into_response())
}

fn answer(claims: Option<&Claims>) -> Value {
    let active = |claims: &Claims| {
        let mut body = serde_json::to_value(claims).ok()?;
        let members = body.as_object_mut()?;
        members.insert("active".into(), true.into());
        members.insert("token_type".into(), "Bearer".into());
        Some(body)
    };
    claims
        .and_then(active)
        .unwrap_or_else(|| json!({ "active": false }))
}
