//! A refusal and how it travels: a gRPC status with `google.rpc.ErrorInfo` and, where waiting helps,
//! `google.rpc.RetryInfo` ([AIP-193](https://google.aip.dev/193)).

use std::collections::HashMap;
use std::time::Duration;

use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt};

use crate::reason::Reason;

/// The domain of every `google.rpc.ErrorInfo` that a broker sends.
pub const DOMAIN: &str = "taskpass";
const CORRELATION: &str = "correlation_id";
const GENERATION: &str = "current_generation";

/// A refused call, as much of it as the caller may know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", reason.code())]
pub struct Refusal {
    /// The stable reason.
    pub reason: Reason,
    /// What to do about it, for people.
    pub message: String,
    /// Wait this long before the next try.
    pub retry_after: Option<Duration>,
    /// Finds the audit record or the log line. Empty when there is none.
    pub correlation_id: String,
    /// With `GENERATION_MISMATCH`: the current one, so that a holder whose answer was lost can go on.
    pub current_generation: Option<u32>,
}

impl Refusal {
    /// A refusal without a hint to wait.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            retry_after: None,
            correlation_id: String::new(),
            current_generation: None,
        }
    }

    /// The same with a hint to wait.
    pub fn retry_after(self, wait: Duration) -> Self {
        Self {
            retry_after: Some(wait),
            ..self
        }
    }

    /// The same with the id of its audit record or log line.
    pub fn correlated(self, id: impl Into<String>) -> Self {
        Self {
            correlation_id: id.into(),
            ..self
        }
    }

    /// The same with the generation that is current.
    pub fn current_generation(self, generation: u32) -> Self {
        Self {
            current_generation: Some(generation),
            ..self
        }
    }

    /// The status that carries it.
    pub fn to_status(&self) -> Status {
        let mut metadata = HashMap::new();
        if !self.correlation_id.is_empty() {
            metadata.insert(CORRELATION.to_owned(), self.correlation_id.clone());
        }
        if let Some(generation) = self.current_generation {
            metadata.insert(GENERATION.to_owned(), generation.to_string());
        }
        let mut details = ErrorDetails::with_error_info(self.reason.code(), DOMAIN, metadata);
        if let Some(wait) = self.retry_after {
            details.set_retry_info(Some(wait));
        }
        Status::with_error_details(self.reason.grpc_code(), self.message.clone(), details)
    }

    /// Reads a status back; `None` when no broker made it (a broken connection, a deadline …).
    pub fn from_status(status: &Status) -> Option<Self> {
        let details = status.get_error_details();
        let info = details.error_info().filter(|info| info.domain == DOMAIN)?;
        Some(Self {
            reason: Reason::from_code(&info.reason)?,
            message: status.message().to_owned(),
            retry_after: details.retry_info().and_then(|retry| retry.retry_delay),
            correlation_id: info.metadata.get(CORRELATION).cloned().unwrap_or_default(),
            current_generation: info
                .metadata
                .get(GENERATION)
                .and_then(|text| text.parse().ok()),
        })
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        refusal.to_status()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_survives_the_wire() {
        for reason in Reason::all() {
            let refusal = Refusal::new(reason, "say what to do")
                .retry_after(Duration::from_secs(2))
                .correlated("dec_1")
                .current_generation(7);
            let status = refusal.to_status();
            assert_eq!(status.code(), reason.grpc_code());
            assert_eq!(Refusal::from_status(&status), Some(refusal));
        }
    }

    #[test]
    fn a_status_of_somebody_else_is_none_of_ours() {
        assert_eq!(
            Refusal::from_status(&Status::unavailable("connection refused")),
            None
        );
    }
}
