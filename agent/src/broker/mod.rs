//! The broker, as the agent sees it.
//!
//! - [`Broker`]: the port
//! - [`grpc`]: the real one, a connection for each identity
//! - [`session`]: the heartbeat of each identity
//! - [`live_jobs`]: what a session announces

pub mod grpc;
pub mod live_jobs;
pub mod session;

use std::time::Duration;

use async_trait::async_trait;
use taskpass_proto::reason::Reason;
use taskpass_proto::refusal::Refusal;
use taskpass_proto::v1;

/// Calls the broker as one of the node's workloads.
#[async_trait]
pub trait Broker: Send + Sync + 'static {
    /// Opens a job. Repeated with the same id it gives the same job.
    async fn open_job(
        &self,
        identity: usize,
        request: v1::OpenJobRequest,
    ) -> Result<v1::OpenJobResponse, CallError>;

    /// Issues more to a job.
    async fn issue(
        &self,
        identity: usize,
        request: v1::IssueRequest,
    ) -> Result<v1::IssueResponse, CallError>;

    /// Renews a lease.
    async fn renew(
        &self,
        identity: usize,
        request: v1::RenewRequest,
    ) -> Result<v1::RenewResponse, CallError>;

    /// Closes a job.
    async fn close_job(
        &self,
        identity: usize,
        request: v1::CloseJobRequest,
    ) -> Result<v1::CloseJobResponse, CallError>;
}

/// A call that brought nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The broker said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There was no connection: nothing was sent.
    #[error("the broker cannot be reached: {0}")]
    NotConnected(String),
    /// The answer was lost, or did not come in time: it may have been done all the same.
    #[error("the broker cannot be reached: {0}")]
    Unanswered(String),
}

impl CallError {
    /// Whether the same call may succeed later, and how long to wait for it at least.
    pub fn worth_repeating(&self) -> Option<Duration> {
        match self {
            Self::NotConnected(_) | Self::Unanswered(_) => Some(Duration::ZERO),
            Self::Refused(refusal) if says_nothing_of_the_request(refusal.reason) => {
                Some(refusal.retry_after.unwrap_or_default())
            }
            Self::Refused(_) => None,
        }
    }

    /// Whether the broker may have done it all the same.
    pub fn is_perhaps_done(&self) -> bool {
        match self {
            Self::Unanswered(_) => true,
            Self::NotConnected(_) => false,
            // These can come half way; every other refusal comes before anything is done.
            Self::Refused(refusal) => matches!(
                refusal.reason,
                Reason::StoreUnavailable | Reason::IssuerUnavailable | Reason::Internal
            ),
        }
    }

    /// Whether the job that it was about is over, or was never there.
    pub fn is_job_over(&self) -> bool {
        let over = |refusal: &Refusal| {
            matches!(
                refusal.reason,
                Reason::JobEnded | Reason::JobUnknown | Reason::WorkloadBanned
            )
        };
        matches!(self, Self::Refused(refusal) if over(refusal))
    }
}

/// Whether a refusal is about the broker or the connection at this moment, and not about what was asked.
fn says_nothing_of_the_request(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::SvidRefused
            | Reason::RateLimited
            | Reason::StoreUnavailable
            | Reason::IssuerUnavailable
            | Reason::PolicyUnavailable
            | Reason::ShuttingDown
            | Reason::ClockUncertain
            | Reason::Internal
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_either_repeated_or_the_last_word() {
        let wait = Duration::from_secs(3);
        for reason in Reason::all() {
            let error = CallError::from(Refusal::new(reason, "").retry_after(wait));
            let passing = reason.grpc_code() == tonic::Code::Unavailable
                || [Reason::SvidRefused, Reason::RateLimited, Reason::Internal].contains(&reason);
            let expected = passing.then_some(wait);
            assert_eq!(error.worth_repeating(), expected, "{}", reason.code());
        }
    }

    #[test]
    fn only_a_lost_answer_or_half_a_failure_leaves_it_open_whether_it_was_done() {
        let refused = |reason| CallError::from(Refusal::new(reason, ""));
        let table = [
            (CallError::Unanswered(String::new()), true),
            (CallError::NotConnected(String::new()), false),
            (refused(Reason::StoreUnavailable), true),
            (refused(Reason::TaskNotGranted), false),
            (refused(Reason::RateLimited), false),
        ];
        for (error, expected) in table {
            assert_eq!(error.is_perhaps_done(), expected, "{error:?}");
        }
    }
}
