//! What others may see of a job.

use taskpass_proto::ids::JobId;
use taskpass_proto::v1;

use super::held::Held;
use crate::clock::Instant;

/// A job as it stands.
#[derive(Debug, Clone)]
pub struct JobView {
    /// Its id.
    pub id: JobId,
    /// The local user that it is for.
    pub uid: u32,
    /// The task.
    pub task: String,
    /// What it is tied to.
    pub anchor: &'static str,
    /// Where it is in its life.
    pub stage: Stage,
    /// The decision that let it in.
    pub decision: String,
    /// Hash of the policy.
    pub policy: String,
    /// When it was opened, in milliseconds since 1970.
    pub opened_at_millis: u64,
    /// When it ends at the latest, since boot.
    pub ends_at: Option<Instant>,
    /// Its credentials; only those with a token are handed out.
    pub credentials: Vec<Held>,
}

/// Where a job is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The broker was asked.
    Opening,
    /// It runs.
    Open,
    /// It is over here for this cause, and the broker is being told.
    Closing(v1::Cause),
    /// It is over; the broker has said so, with the cause if it knows one.
    Ended(Option<v1::Cause>),
}

impl Stage {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Open => "open",
            Self::Closing(_) => "closing",
            Self::Ended(_) => "ended",
        }
    }
}

/// The word for a cause, as everywhere: lower case, without a prefix.
pub fn cause_word(cause: v1::Cause) -> String {
    let name = cause.as_str_name();
    name.strip_prefix("CAUSE_")
        .unwrap_or(name)
        .to_ascii_lowercase()
}
