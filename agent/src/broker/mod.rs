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
    /// The broker was not reached, or its answer was lost.
    #[error("the broker cannot be reached: {0}")]
    Unreachable(String),
}

impl CallError {
    /// Whether the same call may succeed later, and how long to wait for it at least.
    pub fn worth_repeating(&self) -> Option<Duration> {
        match self {
            Self::Unreachable(_) => Some(Duration::ZERO),
            Self::Refused(refusal) => match refusal.reason.grpc_code() {
                tonic::Code::Unavailable | tonic::Code::ResourceExhausted => {
                    Some(refusal.retry_after.unwrap_or_default())
                }
                _ => None,
            },
        }
    }
}
