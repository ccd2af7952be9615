//! The one place that tells local callers why not: problem details (RFC 9457).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use taskpass_proto::refusal::Refusal;
use tonic::Code;

use crate::broker::CallError;
use crate::job::messages::JobError;

/// A call that brought nothing.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    reason: &'static str,
    detail: String,
    correlation_id: String,
    retry_after: Option<f64>,
}

impl Problem {
    /// A field is missing, malformed or out of range.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "REQUEST_INVALID", detail)
    }

    /// The caller is no workload of this node.
    pub fn not_mapped(uid: u32, gid: u32) -> Self {
        let detail = format!(
            "no identity is for user `{uid}` or group `{gid}`; add it to an `[[identity]]` of agent.toml"
        );
        Self::new(StatusCode::FORBIDDEN, "CALLER_NOT_MAPPED", detail)
    }

    /// The caller has too many connections, or all have.
    pub fn too_many_connections() -> Self {
        let detail = "too many connections to the agent are open; close some, or raise \
                      `limits.connections` in agent.toml";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "RATE_LIMITED", detail)
    }

    /// The body is too large, or did not come in time.
    pub fn bad_body(limit: usize) -> Self {
        let detail = format!("the body must be there within 10 s and hold at most {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "REQUEST_TOO_LARGE", detail)
    }

    /// There is nothing at this path, or not with this method.
    pub fn no_such_route(status: StatusCode) -> Self {
        let detail = "there is no such path or method; `GET /v1/status` is there";
        Self::new(status, "REQUEST_INVALID", detail)
    }

    /// The bytes of a whole answer, for a connection that is not served.
    pub fn to_http(&self) -> Vec<u8> {
        let (status, body) = (self.status, self.body().to_string());
        let length = body.len();
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/problem+json\r\n\
             content-length: {length}\r\nconnection: close\r\n\r\n{body}"
        )
        .into_bytes()
    }

    fn body(&self) -> Value {
        let mut body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "reason": self.reason,
        });
        if let Some(members) = body.as_object_mut() {
            if !self.correlation_id.is_empty() {
                members.insert("correlation_id".into(), self.correlation_id.clone().into());
            }
            if let Some(seconds) = self.retry_after {
                members.insert("retry_after".into(), Value::from(seconds));
            }
        }
        body
    }

    fn new(status: StatusCode, reason: &'static str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self {
            status,
            reason,
            detail,
            correlation_id: String::new(),
            retry_after: None,
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.reason.grpc_code() {
            Code::PermissionDenied | Code::Unauthenticated => StatusCode::FORBIDDEN,
            Code::InvalidArgument => StatusCode::BAD_REQUEST,
            Code::NotFound => StatusCode::NOT_FOUND,
            Code::AlreadyExists | Code::FailedPrecondition => StatusCode::CONFLICT,
            Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
            Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self {
            status,
            reason: refusal.reason.code(),
            detail: refusal.message,
            correlation_id: refusal.correlation_id,
            retry_after: refusal.retry_after.map(|wait| wait.as_secs_f64()),
        }
    }
}

impl From<JobError> for Problem {
    fn from(error: JobError) -> Self {
        let detail = error.to_string();
        match error {
            JobError::Unknown => Self::new(StatusCode::NOT_FOUND, "JOB_UNKNOWN", detail),
            JobError::TooMany(_) => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "LIVE_JOBS_LIMIT", detail)
            }
            JobError::Call(CallError::Refused(refusal)) => refusal.into(),
            JobError::Call(CallError::NotConnected(_) | CallError::Unanswered(_)) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "BROKER_UNREACHABLE",
                detail,
            ),
            JobError::Journal(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "JOURNAL_UNAVAILABLE",
                detail,
            ),
            JobError::Stopping => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "AGENT_STOPPING", detail)
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let kind = HeaderValue::from_static("application/problem+json");
        let body = self.body().to_string();
        (self.status, [(header::CONTENT_TYPE, kind)], body).into_response()
    }
}
