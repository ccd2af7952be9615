//! Why a call of the agent's local interface failed.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use crate::failure::Failure;
use crate::local::wire::{self, ProblemDetails};
use crate::sockets::Socket;

/// Reasons that time mends: the agent or the broker is away, or on its way back.
const PASSING: [&str; 5] = [
    "BROKER_UNREACHABLE",
    "SVID_UNAVAILABLE",
    "AGENT_STOPPING",
    "SHUTTING_DOWN",
    "STORE_UNAVAILABLE",
];

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LocalError {
    /// Nobody answers at the socket.
    #[error("cannot reach the agent: {0}")]
    Unreachable(#[source] io::Error),
    /// The connection broke before the answer was complete.
    #[error("the agent's connection broke: {0}")]
    Broken(#[source] hyper::Error),
    /// No answer in time.
    #[error("the agent did not answer within {} s", .0.as_secs())]
    Deadline(Duration),
    /// The answer is not what the interface promises.
    #[error("the agent's answer makes no sense: {0}")]
    Answer(String),
    /// The agent, or the broker behind it, says no.
    #[error("{}: {}", .0.reason, .0.detail)]
    Refused(Box<ProblemDetails>),
}

impl LocalError {
    /// The stable reason of a refusal.
    pub(crate) fn reason(&self) -> Option<&str> {
        match self {
            Self::Refused(problem) => Some(&problem.reason),
            _ => None,
        }
    }

    /// Whether the same call may succeed later without anybody changing anything.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable(error) => matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ),
            Self::Broken(error) => !is_another_protocol(error),
            Self::Deadline(_) => true,
            Self::Answer(_) => false,
            Self::Refused(problem) => PASSING.contains(&problem.reason.as_str()),
        }
    }

    /// How long the agent asks to wait.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(problem) => problem.retry_after.map(wire::seconds),
            _ => None,
        }
    }

    /// What to tell a person; `what` says what was asked for and did not happen.
    pub(crate) fn failure(&self, what: &str, socket: &Socket) -> Failure {
        match self {
            Self::Unreachable(error) => socket.unreachable(error),
            Self::Broken(error) if is_another_protocol(error) => socket.not_understood(),
            Self::Broken(_) | Self::Deadline(_) | Self::Answer(_) => Failure::new(what)
                .why(self)
                .remedy("look into the agent's log, and at `taskpass status`"),
            Self::Refused(problem) => {
                let message = Some(&problem.detail)
                    .filter(|detail| !detail.is_empty())
                    .unwrap_or(&problem.title);
                Failure::refused(what, &problem.reason, message)
                    .correlated(problem.correlation_id.clone())
                    .retry_after(self.retry_after())
            }
        }
    }
}

/// Whether what came is no HTTP/1: an answer that cannot be read, or words before anything was asked, which
/// cancel the request and stand behind that.
fn is_another_protocol(error: &hyper::Error) -> bool {
    error.is_parse() || error.is_canceled() && error.source().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(reason: &str) -> LocalError {
        LocalError::Refused(Box::new(ProblemDetails {
            reason: reason.to_owned(),
            ..ProblemDetails::default()
        }))
    }

    #[test]
    fn only_what_time_mends_is_waited_for() {
        let table = [
            (
                LocalError::Unreachable(io::ErrorKind::NotFound.into()),
                true,
            ),
            (
                LocalError::Unreachable(io::ErrorKind::ConnectionRefused.into()),
                true,
            ),
            (
                LocalError::Unreachable(io::ErrorKind::PermissionDenied.into()),
                false,
            ),
            (LocalError::Deadline(Duration::from_secs(1)), true),
            (LocalError::Answer(String::new()), false),
            (refused("BROKER_UNREACHABLE"), true),
            (refused("SHUTTING_DOWN"), true),
            (refused("TASK_NOT_GRANTED"), false),
            (refused("CALLER_NOT_MAPPED"), false),
            (refused("RATE_LIMITED"), false),
        ];
        for (error, passing) in table {
            assert_eq!(error.is_passing(), passing, "{error}");
        }
    }
}
