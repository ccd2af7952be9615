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
        let Self {
            status,
            reason,
            detail,
            correlation_id,
            retry_after,
        } = self;
        let mut body = json!({
            "type": "about:blank",
            "title": status.canonical_reason().unwrap_or("Error"),
            "status": status.as_u16(),
            "detail": detail,
            "reason": reason,
        });
        if let Some(members) = body.as_object_mut() {
            if !correlation_id.is_empty() {
                members.insert("correlation_id".into(), correlation_id.into());
            }
            if let Some(seconds) = retry_after {
                members.insert("retry_after".into(), Value::from(seconds));
            }
        }
        let kind = HeaderValue::from_static("application/problem+json");
        (status, [(header::CONTENT_TYPE, kind)], body.to_string()).into_response()
    }
}
