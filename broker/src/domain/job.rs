//! A job: one run of a task by one workload. Everything handed out hangs off it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use taskpass_identity::SpiffeId;
use taskpass_proto::holder::HolderHash;
use taskpass_proto::ids::JobId;
use taskpass_proto::task_name::TaskName;

use super::cause::Cause;
use super::time::UnixMillis;

/// Who may act on a job: the workload *and* the holder that opened it. Knowing its id is worth nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The workload.
    pub subject: SpiffeId,
    /// Its holder, by the hash of its secret.
    pub holder: HolderHash,
}

/// A job as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Made by the client.
    pub id: JobId,
    /// Who may act on it.
    pub owner: Owner,
    /// Where it is in its life.
    pub life: Life,
}

/// The states of a job: `open → ended`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Life {
    /// It runs.
    Open(Opening),
    /// It is over. There is no opening when it was closed before it was opened.
    Ended {
        /// How it had been opened.
        opening: Option<Opening>,
        /// How it ended.
        end: End,
    },
}

/// How a job was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The task.
    pub task: TaskName,
    /// Its parameters, as given.
    pub parameters: BTreeMap<String, String>,
    /// SHA-256 of what was asked, so that a repeated request is told from another one.
    pub request: [u8; 32],
    /// Hash of the policy snapshot that let it in.
    pub policy: String,
    /// The decision that let it in.
    pub decision: String,
    /// When it was opened.
    pub opened_at: UnixMillis,
    /// When it ends at the latest.
    pub ends_by: UnixMillis,
    /// Whether its holder announces it.
    pub liveness: Liveness,
    /// What it is tied to on the holder's side.
    pub anchor: Anchor,
    /// What the agent says of the local caller.
    pub reported: Option<Reported>,
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// Why.
    pub cause: Cause,
    /// When.
    pub at: UnixMillis,
}

/// Whether a job outlives its holder's silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Liveness {
    /// Nobody announces it: it cannot outlive its first credentials.
    None,
    /// It is announced on a Heartbeat stream; silence ends it.
    Heartbeat,
}

/// What a job is tied to on the holder's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anchor {
    /// Time alone.
    Ttl,
    /// A process.
    Process,
    /// A connection.
    Connection,
}

/// What the agent says of the local process that asked. Not proven.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reported {
    /// Name of the machine.
    pub host: String,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Process id.
    pub pid: u32,
    /// Path of the executable.
    pub executable: String,
}

/// A transition that the state does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the job has ended already: {}", .0.cause)]
pub struct AlreadyEnded(pub End);

impl Job {
    /// A job that was just let in.
    pub fn open(id: JobId, owner: Owner, opening: Opening) -> Self {
        Self {
            id,
            owner,
            life: Life::Open(opening),
        }
    }

    /// An id that was closed before it was opened, and stays closed.
    pub fn closed_before_opening(id: JobId, owner: Owner, end: End) -> Self {
        Self {
            id,
            owner,
            life: Life::Ended { opening: None, end },
        }
    }

    /// The same job, ended. The first end stands.
    pub fn end(self, end: End) -> Result<Self, AlreadyEnded> {
        match self.life {
            Life::Open(opening) => Ok(Self {
                life: Life::Ended {
                    opening: Some(opening),
                    end,
                },
                ..self
            }),
            Life::Ended { end: first, .. } => Err(AlreadyEnded(first)),
        }
    }

    /// How it was opened, unless it never was.
    pub fn opening(&self) -> Option<&Opening> {
        match &self.life {
            Life::Open(opening) => Some(opening),
            Life::Ended { opening, .. } => opening.as_ref(),
        }
    }

    /// How it was opened, while it is open.
    pub fn as_open(&self) -> Option<&Opening> {
        match &self.life {
            Life::Open(opening) => Some(opening),
            Life::Ended { .. } => None,
        }
    }

    /// How it ended.
    pub fn ended(&self) -> Option<End> {
        match &self.life {
            Life::Open(_) => None,
            Life::Ended { end, .. } => Some(*end),
        }
    }
}
