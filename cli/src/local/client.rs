//! The calls of the agent's local interface, each with a deadline.

use std::time::Duration;

use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::local::error::LocalError;
use crate::local::events::Events;
use crate::local::status::Status;
use crate::local::wire::{
    Closed, Credentials, Job, Jobs, OpenJob, OpenedJob, ProblemDetails, Wanted,
};
use crate::sockets::Socket;

/// For calls that the agent answers by itself.
const SHORT: Duration = Duration::from_secs(5);
/// For calls that the broker decides and an issuer answers.
const LONG: Duration = Duration::from_secs(30);
/// For the way of a call that says itself how long it may take.
const MARGIN: Duration = Duration::from_millis(500);
/// An answer holds at most 32 credentials.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// The agent at a socket.
#[derive(Debug, Clone)]
pub(crate) struct Agent {
    socket: Socket,
}

/// An answer whose body is still to come; the connection ends when it is dropped.
pub(super) struct Answer {
    pub(super) body: Incoming,
    pub(super) connection: JoinSet<Option<hyper::Error>>,
}

impl Agent {
    /// The agent at this socket. Nothing is connected yet.
    pub(crate) fn at(socket: Socket) -> Self {
        Self { socket }
    }

    /// Its socket.
    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Opens a job.
    pub(crate) async fn open_job(&self, job: &OpenJob) -> Result<OpenedJob, LocalError> {
        self.call(Method::POST, "/v1/jobs", job, LONG).await
    }

    /// Issues more credentials to an open job.
    pub(crate) async fn issue(
        &self,
        job: &str,
        wanted: &[Wanted],
    ) -> Result<Credentials, LocalError> {
        let body = serde_json::json!({ "credentials": wanted });
        let path = format!("/v1/jobs/{job}/credentials");
        self.call(Method::POST, &path, &body, LONG).await
    }

    /// Ties a job to one more process.
    pub(crate) async fn add_anchor(&self, job: &str, pid: u32) -> Result<(), LocalError> {
        let path = format!("/v1/jobs/{job}/anchors");
        let body = serde_json::json!({ "pid": pid });
        let answer = self.send(Method::POST, &path, Some(&body), SHORT).await?;
        drop(answer);
        Ok(())
    }

    /// Follows a job's changes.
    pub(crate) async fn events(&self, job: &str) -> Result<Events, LocalError> {
        let path = format!("/v1/jobs/{job}/events");
        let answer = self.send(Method::GET, &path, None::<&()>, SHORT).await?;
        Ok(Events::new(answer))
    }

    /// Closes a job and waits for the broker's word, at most `wait`.
    pub(crate) async fn close_job(
        &self,
        job: &str,
        exit_status: Option<u8>,
        wait: Duration,
    ) -> Result<Closed, LocalError> {
        let path = format!("/v1/jobs/{job}?wait_seconds={}", wait.as_secs_f64());
        let body = exit_status.map_or_else(
            || serde_json::json!({}),
            |status| serde_json::json!({ "exit_status": status }),
        );
        self.call(Method::DELETE, &path, &body, wait + MARGIN).await
    }

    /// Lists the jobs of the caller's user.
    pub(crate) async fn jobs(&self) -> Result<Jobs, LocalError> {
        self.read("/v1/jobs").await
    }

    /// Shows one job of the caller's user.
    pub(crate) async fn job(&self, job: &str) -> Result<Job, LocalError> {
        self.read(&format!("/v1/jobs/{job}")).await
    }

    /// What the agent says of itself.
    pub(crate) async fn status(&self) -> Result<Status, LocalError> {
        self.read("/v1/status").await
    }

    async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, LocalError> {
        let answer = self.send(Method::GET, path, None::<&()>, SHORT).await?;
        answer.json(SHORT).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
        deadline: Duration,
    ) -> Result<T, LocalError> {
        let answer = self.send(method, path, Some(body), deadline).await?;
        answer.json(SHORT).await
    }

    /// Sends a request; an answer other than success becomes an error.
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
        deadline: Duration,
    ) -> Result<Answer, LocalError> {
        let request = request(method, path, body)?;
        timeout(deadline, self.exchange(request))
            .await
            .map_err(|_| LocalError::Deadline(deadline))?
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answer, LocalError> {
        let stream = UnixStream::connect(&self.socket.path)
            .await
            .map_err(LocalError::Unreachable)?;
        let (mut sender, driver) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(LocalError::Broken)?;
        let mut connection = JoinSet::new();
        connection.spawn(async { driver.await.err() });
        let response = match sender.send_request(request).await {
            Ok(response) => response,
            // A connection that breaks before the request is sent cancels it, and knows why.
            Err(error) if error.is_canceled() => {
                let broken = connection.join_next().await.and_then(Result::ok).flatten();
                return Err(LocalError::Broken(broken.unwrap_or(error)));
            }
            Err(error) => return Err(LocalError::Broken(error)),
        };
        let status = response.status();
        let answer = Answer {
            body: response.into_body(),
            connection,
        };
        if status.is_success() {
            Ok(answer)
        } else {
            Err(answer.refusal(status).await)
        }
    }
}

impl Answer {
    async fn json<T: DeserializeOwned>(self, deadline: Duration) -> Result<T, LocalError> {
        let bytes = timeout(deadline, self.bytes())
            .await
            .map_err(|_| LocalError::Deadline(deadline))??;
        serde_json::from_slice(&bytes).map_err(|error| LocalError::Answer(without_content(&error)))
    }

    async fn bytes(self) -> Result<Bytes, LocalError> {
        let Self { body, connection } = self;
        let collected = Limited::new(body, MAX_ANSWER_BYTES)
            .collect()
            .await
            .map_err(|error| LocalError::Answer(error.to_string()))?;
        drop(connection);
        Ok(collected.to_bytes())
    }

    async fn refusal(self, status: StatusCode) -> LocalError {
        let problem = match self.bytes().await {
            Ok(bytes) => serde_json::from_slice::<ProblemDetails>(&bytes).ok(),
            Err(error) => return error,
        };
        match problem.filter(|problem| !problem.reason.is_empty()) {
            Some(problem) => LocalError::Refused(Box::new(problem)),
            None => {
                LocalError::Answer(format!("status {status} without a reason; is it an agent?"))
            }
        }
    }
}

/// Says where JSON went wrong and never what it held: it may be a token.
pub(super) fn without_content(error: &serde_json::Error) -> String {
    let (kind, column) = (error.classify(), error.column());
    format!("not the JSON that was expected ({kind:?}, column {column})")
}

fn request(
    method: Method,
    path: &str,
    body: Option<&impl Serialize>,
) -> Result<Request<Full<Bytes>>, LocalError> {
    let nonsense = |error: String| LocalError::Answer(error);
    let bytes = match body {
        Some(body) => serde_json::to_vec(body).map_err(|error| nonsense(error.to_string()))?,
        None => Vec::new(),
    };
    let builder = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "localhost")
        .header(header::ACCEPT, "application/json");
    let builder = match body {
        Some(_) => builder.header(header::CONTENT_TYPE, "application/json"),
        None => builder,
    };
    builder
        .body(Full::new(Bytes::from(bytes)))
        .map_err(|error| nonsense(error.to_string()))
}
