//! The calls.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Bytes, to_bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Path, Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use taskpass_proto::ids::JobId;
use taskpass_proto::limits::MAX_REQUEST_BYTES;
use taskpass_proto::v1;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::connection::Connection;
use super::events;
use super::problem::Problem;
use super::wire::{self, AddAnchor, Anchor, CloseJob, CloseQuery, IssueMore, OpenJob};
use crate::callers::Mapping;
use crate::clock::Clock;
use crate::job::messages::{self, Close, JobError, Jobs, Wanted};
use crate::job::view::cause_word;
use crate::status::NodeStatus;
use crate::watch::process::Process;

/// How long renewing by hand is waited for.
const RENEWAL_PATIENCE: Duration = Duration::from_secs(10);
/// A body is there by then.
const BODY_DEADLINE: Duration = Duration::from_secs(10);
/// How long a close may wait for its confirmation.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What the calls need.
#[derive(Clone)]
pub struct Local {
    /// The jobs.
    pub jobs: Jobs,
    /// Who is who.
    pub callers: Arc<Mapping>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// How the node stands.
    pub status: Arc<NodeStatus>,
    /// Cancelled when somebody else is to go on: long answers end.
    pub leaving: CancellationToken,
}

type Answer = Result<Json<Value>, Problem>;

/// Serves the calls.
pub fn router(local: Local) -> Router {
    Router::new()
        .route("/v1/jobs", post(open).get(list))
        .route("/v1/jobs/{id}", get(show).delete(close))
        .route("/v1/jobs/{id}/credentials", post(issue))
        .route("/v1/jobs/{id}/renew", post(renew))
        .route("/v1/jobs/{id}/anchors", post(add_anchor))
        .route("/v1/jobs/{id}/events", get(follow))
        .route("/v1/status", get(status))
        .fallback(|| async { Problem::no_such_route(StatusCode::NOT_FOUND) })
        .method_not_allowed_fallback(|| async {
            Problem::no_such_route(StatusCode::METHOD_NOT_ALLOWED)
        })
        .layer(from_fn(answer))
        .with_state(local)
}

/// Around every call: the body is small and comes soon, and nobody keeps the answer.
async fn answer(request: Request, next: Next) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let body = timeout(BODY_DEADLINE, to_bytes(body, MAX_REQUEST_BYTES)).await;
    let body = body.map_err(|_| Problem::bad_body(MAX_REQUEST_BYTES))?;
    let body = body.map_err(|_| Problem::bad_body(MAX_REQUEST_BYTES))?;
    let mut response = next.run(Request::from_parts(head, body.into())).await;
    let no_store = HeaderValue::from_static("no-store");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, no_store);
    Ok(response)
}

async fn open(
    State(local): State<Local>,
    Extension(connection): Extension<Arc<Connection>>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let request: OpenJob = parse(&body)?;
    let peer = &connection.peer;
    let identity = local.callers.identity_of(peer.uid, peer.gid);
    let identity = identity.ok_or_else(|| Problem::not_mapped(peer.uid, peer.gid))?;
    let anchor = anchor(request.anchor, &connection)?;
    let asked = request
        .max_duration_seconds
        .map(|s| wire::seconds("max_duration_seconds", s));
    let max_duration = match (asked.transpose()?, &anchor) {
        (Some(asked), _) => Some(asked),
        (None, messages::Anchor::Ttl) => Some(wire::DEFAULT_TTL),
        (None, messages::Anchor::Process(_) | messages::Anchor::Connection) => None,
    };
    let credentials = request
        .credentials
        .into_iter()
        .map(wire::Credential::into_wire);
    let is_connection = matches!(anchor, messages::Anchor::Connection);
    let wanted = Wanted {
        task: request.task,
        parameters: request.params,
        credentials: credentials.collect::<Result<_, _>>()?,
        anchor,
        max_duration,
    };
    let view = local.jobs.open(peer.clone(), identity, wanted).await?;
    if is_connection {
        connection.close_with_it(view.id);
    }
    Ok((
        StatusCode::CREATED,
        Json(wire::job(&view, local.clock.since_boot())),
    ))
}

async fn list(
    State(local): State<Local>,
    Extension(connection): Extension<Arc<Connection>>,
) -> Json<Value> {
    let now = local.clock.since_boot();
    let mut jobs = local.jobs.list(connection.peer.uid).await;
    jobs.sort_by_key(|view| view.id);
    let jobs: Vec<Value> = jobs.iter().map(|view| wire::listed(view, now)).collect();
    Json(json!({ "jobs": jobs }))
}

async fn show(
    State(local): State<Local>,
    Extension(connection): Extension<Arc<Connection>>,
    Path(id): Path<String>,
) -> Answer {
    let view = local.jobs.watch(job_id(&id)?, connection.peer.uid).await?;
    let answer = wire::job(&view.borrow(), local.clock.since_boot());
    Ok(Json(answer))
}

async fn issue(
    State(local): State<Local>,
    Extension(connection): Extension<Arc<Connection>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Answer {
    let request: IssueMore = parse(&body)?;
    let credentials = request
        .credentials
        .into_iter()
        .map(wire::Credential::into_wire);
    let credentials = credentials.collect::<Result<_, _>>()?;
    let view = local
        .jobs
        .issue(job_id(&id)?, connection.peer.uid, credentials)
        .await?;
    let credentials = wire::credentials(&view, local.clock.since_boot());
    Ok(Json(json!({ "credentials": credentials })))
}

/// Renews every lease, and answers when each has its next token.
async fn renew(
    State(local): State<Local>,
    Extension(connection): Extension<Arc<Connection>>,
    Path(id): Path<String>,
) -> Answer {
    let (id, uid) = (job_id(&id)?, connection.peer.uid);
    let mut view = local.jobs.watch(id, uid).await?;
    let before: Vec<(String, u32)> = view
        .borrow_and_update()
        .credentials
        .iter()
        .map(|held| (held.lease.clone(), held.generation))
        .collect();
    local.jobs.renew_now(id, uid).await?;
    let renewed = view.wait_for(|view| {
        let next = |(lease, generation): &(String, u32)| {
            view.credentials.iter().any(|held| {
                held.lease == *lease && (held.generation > *generation || held.refused.is_some())
            })
        };
        view.stage != crate::job::view::Stage::Open || before.iter().all(next)
    });
    let renewed = timeout(RENEWAL_PATIENCE, renewed).await;
    let view = match renewed {
        Ok(Ok(view)) => view.clone(),
        Ok(Err(_)) => return Err(JobError::Unknown.into()),
        Err(_) => {
            let away = crate::broker::CallError::Unanswered("no answer in time".into());
            return Err(JobError::Call(away).into());
        }
    };
    Ok(Json(
        json!({ "credentials": wire::credentials(&view, local.clock.since_boot()) }),
    ))
}

async fn add_anchor(
    State(local): State<Local>,
    Extension(connection): Extension<Arc<Connection>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let AddAnchor { pid } = parse(&body)?;
    let uid = connection.peer.uid;
    let process = process(pid, uid)?;
    local.jobs.add_process(job_id(&id)?, uid, process).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn follow(
    State(local): State<Local>,
    Extension(connection): Extension<Arc<Connection>>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let view = local.jobs.watch(job_id(&id)?, connection.peer.uid).await?;
    Ok(events::follow(
        view,
        Arc::clone(&local.clock),
        local.leaving,
    ))
}

async fn close(
    State(local): State<Local>,
    Extension(connection): Extension<Arc<Connection>>,
    Path(id): Path<String>,
    query: Result<Query<CloseQuery>, QueryRejection>,
    body: Bytes,
) -> Answer {
    let Query(query) = query.map_err(|rejected| Problem::invalid(rejected.body_text()))?;
    let request: CloseJob = if body.is_empty() {
        CloseJob::default()
    } else {
        parse(&body)?
    };
    let wait = wire::seconds("wait_seconds", query.wait_seconds.unwrap_or(2.0))?;
    let cause = match request.exit_status {
        Some(_) => v1::Cause::ProcessExited,
        None => v1::Cause::JobClosed,
    };
    let close = Close {
        id: job_id(&id)?,
        uid: Some(connection.peer.uid),
        cause,
        exit_status: request.exit_status,
    };
    let leaving = local.leaving.cancelled_owned();
    let closed = local
        .jobs
        .close_unless(close, wait.min(LONGEST_WAIT), leaving)
        .await?;
    let state = if closed.confirmed {
        "confirmed"
    } else {
        "pending"
    };
    Ok(Json(
        json!({ "state": state, "cause": cause_word(closed.cause) }),
    ))
}

async fn status(
    State(local): State<Local>,
    Extension(connection): Extension<Arc<Connection>>,
) -> Json<wire::Status> {
    let peer = &connection.peer;
    let identity = local.callers.identity_of(peer.uid, peer.gid);
    Json(
        local
            .status
            .report(peer, identity, local.jobs.count().await),
    )
}

fn anchor(asked: Anchor, connection: &Connection) -> Result<messages::Anchor, Problem> {
    Ok(match asked {
        Anchor::Ttl => messages::Anchor::Ttl,
        Anchor::Caller => messages::Anchor::Process(Arc::clone(&connection.peer.process)),
        Anchor::Process { pid } => messages::Anchor::Process(process(pid, connection.peer.uid)?),
        Anchor::Connection => messages::Anchor::Connection,
    })
}

fn process(pid: u32, uid: u32) -> Result<Arc<Process>, Problem> {
    Process::of_user(pid, uid)
        .map(Arc::new)
        .map_err(|_| Problem::invalid(format!("`pid`: `{pid}` is no live process of user `{uid}`")))
}

fn job_id(text: &str) -> Result<JobId, Problem> {
    text.parse().map_err(|_| JobError::Unknown.into())
}

/// Parses JSON whatever content type the caller names: `curl -d` says it is a form.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| Problem::invalid(format!("the body: {error}")))
}
