//! What the one task that owns all jobs is asked, and the handle to ask it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use taskpass_proto::ids::JobId;
use taskpass_proto::v1;
use tokio::sync::{mpsc, oneshot, watch};

use super::view::JobView;
use crate::broker::CallError;
use crate::callers::Peer;
use crate::journal::{Durable, Journal};
use crate::watch::process::Process;

/// A job, as a local caller wants it.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The task.
    pub task: String,
    /// Its parameters.
    pub parameters: BTreeMap<String, String>,
    /// The credentials; none means all that are granted.
    pub credentials: Vec<v1::CredentialRequest>,
    /// What it is tied to.
    pub anchor: Anchor,
    /// A shorter life than the task's maximum.
    pub max_duration: Option<Duration>,
}

/// What a job is tied to.
#[derive(Debug, Clone)]
pub enum Anchor {
    /// Time alone.
    Ttl,
    /// A process.
    Process(Arc<Process>),
    /// The caller's connection; whoever owns it says when it has closed.
    Connection,
}

impl Anchor {
    /// The word for it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Ttl => "ttl",
            Self::Process(_) => "process",
            Self::Connection => "connection",
        }
    }

    /// The wire's word for it.
    pub fn to_wire(&self) -> v1::Anchor {
        match self {
            Self::Ttl => v1::Anchor::Ttl,
            Self::Process(_) => v1::Anchor::Process,
            Self::Connection => v1::Anchor::Connection,
        }
    }
}

/// Why a local caller does not get what it asks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// There is no such job of this user.
    #[error("there is no such job")]
    Unknown,
    /// It has too many.
    #[error("this user has {0} live jobs on this node already; close some")]
    TooMany(usize),
    /// The broker said no, or was not there.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The journal cannot be written, so nothing was asked.
    #[error("the agent cannot write its journal: {0}")]
    Journal(String),
    /// The agent is stopping.
    #[error("the agent is stopping")]
    Stopping,
}

/// A job that is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Close {
    /// The job.
    pub id: JobId,
    /// Whose it must be; anybody's when the agent itself says so.
    pub uid: Option<u32>,
    /// Why.
    pub cause: v1::Cause,
    /// How its command ended.
    pub exit_status: Option<i32>,
}

/// How an end stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed {
    /// Whether the broker has confirmed it.
    pub confirmed: bool,
    /// Why it ended first.
    pub cause: v1::Cause,
}

/// An end under way.
#[derive(Debug)]
pub(super) struct Closing {
    /// Nobody is answered before.
    pub(super) journalled: Durable,
    /// The broker's word.
    pub(super) confirmed: oneshot::Receiver<Closed>,
}

impl Closing {
    /// One that the broker has confirmed before.
    pub(super) fn over(cause: v1::Cause, journal: &Journal) -> Self {
        let (confirm, confirmed) = oneshot::channel();
        let _ = confirm.send(Closed {
            confirmed: true,
            cause,
        });
        Self {
            journalled: journal.everything(),
            confirmed,
        }
    }
}

/// What the keeper is asked.
pub(super) enum Message {
    Open {
        peer: Peer,
        identity: usize,
        wanted: Wanted,
        reply: Reply<JobView>,
    },
    Issue {
        id: JobId,
        uid: u32,
        credentials: Vec<v1::CredentialRequest>,
        reply: Reply<JobView>,
    },
    RenewNow {
        id: JobId,
        uid: u32,
        reply: Reply<()>,
    },
    Watch {
        id: JobId,
        uid: u32,
        reply: Reply<watch::Receiver<JobView>>,
    },
    List {
        uid: u32,
        reply: oneshot::Sender<Vec<JobView>>,
    },
    Count {
        reply: oneshot::Sender<usize>,
    },
    AddProcess {
        id: JobId,
        uid: u32,
        process: Arc<Process>,
        reply: Reply<Durable>,
    },
    Close {
        close: Close,
        reply: Reply<Closing>,
    },
    CloseAll {
        done: oneshot::Sender<()>,
    },
}

pub(super) type Reply<T> = oneshot::Sender<Result<T, JobError>>;

/// Asks the keeper.
#[derive(Clone)]
pub struct Jobs {
    pub(super) keeper: mpsc::Sender<Message>,
}

impl Jobs {
    /// Opens a job.
    pub async fn open(
        &self,
        peer: Peer,
        identity: usize,
        wanted: Wanted,
    ) -> Result<JobView, JobError> {
        self.ask(|reply| Message::Open {
            peer,
            identity,
            wanted,
            reply,
        })
        .await
    }

    /// Issues more to a job; answers it with what was issued.
    pub async fn issue(
        &self,
        id: JobId,
        uid: u32,
        credentials: Vec<v1::CredentialRequest>,
    ) -> Result<JobView, JobError> {
        self.ask(|reply| Message::Issue {
            id,
            uid,
            credentials,
            reply,
        })
        .await
    }

    /// Renews every lease of a job now; the result shows in its view.
    pub async fn renew_now(&self, id: JobId, uid: u32) -> Result<(), JobError> {
        self.ask(|reply| Message::RenewNow { id, uid, reply }).await
    }

    /// Follows a job.
    pub async fn watch(&self, id: JobId, uid: u32) -> Result<watch::Receiver<JobView>, JobError> {
        self.ask(|reply| Message::Watch { id, uid, reply }).await
    }

    /// The live jobs of a user.
    pub async fn list(&self, uid: u32) -> Vec<JobView> {
        let (reply, answer) = oneshot::channel();
        let _ = self.keeper.send(Message::List { uid, reply }).await;
        answer.await.unwrap_or_default()
    }

    /// How many live jobs there are.
    pub async fn count(&self) -> usize {
        let (reply, answer) = oneshot::channel();
        let _ = self.keeper.send(Message::Count { reply }).await;
        answer.await.unwrap_or_default()
    }

    /// Ties a job to one more process: the first exit ends it.
    pub async fn add_process(
        &self,
        id: JobId,
        uid: u32,
        process: Arc<Process>,
    ) -> Result<(), JobError> {
        let add = |reply| Message::AddProcess {
            id,
            uid,
            process,
            reply,
        };
        let journalled = self.ask(add).await?;
        // A disk that fails is told of in the log; until a crash the process is watched all the same.
        let _ = journalled.wait().await;
        Ok(())
    }

    /// Closes a job, and waits up to `patience` for the broker to confirm it. The end is in the journal
    /// before anything is answered.
    pub async fn close(&self, close: Close, patience: Duration) -> Result<Closed, JobError> {
        self.close_unless(close, patience, std::future::pending())
            .await
    }

    /// The same, and waits no longer than until `leaving`.
    pub async fn close_unless(
        &self,
        close: Close,
        patience: Duration,
        leaving: impl Future<Output = ()>,
    ) -> Result<Closed, JobError> {
        let cause = close.cause;
        let closing = self.ask(|reply| Message::Close { close, reply }).await?;
        // A disk that fails keeps no job alive: the broker is being told already.
        let _ = closing.journalled.wait().await;
        let pending = Closed {
            confirmed: false,
            cause,
        };
        // In effect here already; it is repeated until it is confirmed.
        tokio::select! {
            biased;
            closed = closing.confirmed => closed.map_err(|_| JobError::Stopping),
            () = tokio::time::sleep(patience) => Ok(pending),
            () = leaving => Ok(pending),
        }
    }

    /// Closes every job, and waits up to `patience`.
    pub async fn close_all(&self, patience: Duration) {
        let (done, answer) = oneshot::channel();
        let _ = self.keeper.send(Message::CloseAll { done }).await;
        let _ = tokio::time::timeout(patience, answer).await;
    }

    async fn ask<T>(&self, message: impl FnOnce(Reply<T>) -> Message) -> Result<T, JobError> {
        let (reply, answer) = oneshot::channel();
        self.keeper
            .send(message(reply))
            .await
            .map_err(|_| JobError::Stopping)?;
        answer.await.map_err(|_| JobError::Stopping)?
    }
}
