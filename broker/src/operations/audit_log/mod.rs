//! The audit log as a Merkle tree: extends it after commits, signs it, and publishes it.
//!
//! A record is numbered when it is committed, and entry `n − 1` of the tree is record `n`. The order of a
//! step is what makes it safe to die at any point: files of the new entries, then the signed checkpoint
//! into the store, then the checkpoint's file. So the store's checkpoint is never behind the published one,
//! and a store that is behind was put back or cut off.
//!
//! - [`start`]: takes up the log where it ended, or says why not
//! - [`extend`]: the next checkpoint
//! - [`survey`]: compares the store's records with the tree, all of them
//! - [`prove`]: proofs for whoever asks
//! - [`erase`]: details that are no longer wanted
//! - [`trouble`]: what can be wrong

pub mod erase;
mod extend;
pub mod prove;
mod start;
mod survey;
pub mod trouble;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use self::extend::Extension;
use self::start::Start;
use self::trouble::{NotSequenced, Trouble};
use crate::domain::audit::{Event, Record};
use crate::domain::time::UnixMillis;
use crate::domain::tlog::{Checkpoint, Edge, VerifierKey};
use crate::ports::clock::Clock;
use crate::ports::log_files::{CheckpointSigner, LogWriter};
use crate::ports::store::tree::{TreeHead, TreeStep};
use crate::ports::store::{Store, StoreError};

/// Records of one transaction when lost ones are replaced.
const GAP_AT_ONCE: u64 = 2_000;

/// The audit log of an installation.
pub struct AuditLog {
    store: Arc<dyn Store>,
    files: Arc<dyn LogWriter>,
    clock: Arc<dyn Clock>,
    identity: LogIdentity,
    state: Mutex<State>,
    /// One step at a time.
    step: tokio::sync::Mutex<()>,
}

/// What a log is built from.
pub struct LogParts {
    /// The records, and how far they were signed.
    pub store: Arc<dyn Store>,
    /// Where the log is published.
    pub files: Arc<dyn LogWriter>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Whose log it is.
    pub identity: LogIdentity,
}

/// Whose log it is.
pub struct LogIdentity {
    /// The origin, as the installation fixes it.
    pub origin: String,
    /// The store's epoch: another one begins another log.
    pub epoch: Vec<u8>,
    /// Signs, or says why nobody does.
    pub signer: Result<Arc<dyn CheckpointSigner>, String>,
}

/// How the log is.
#[derive(Debug, Clone, Default)]
struct State {
    position: Position,
    /// What could not be done last time, and since when.
    late: Option<(UnixMillis, String)>,
    /// Published files that are not what the records give.
    damaged: Vec<String>,
    unsequenced: u64,
}

/// Where the log is.
#[derive(Debug, Clone, Default)]
enum Position {
    /// Not looked yet.
    #[default]
    Unknown,
    /// All is well up to here.
    At(Arc<Head>),
    /// Nothing more is signed.
    Broken(Trouble),
}

/// What was signed last, and all that is needed to go on.
#[derive(Debug, Clone)]
struct Head {
    stored: TreeHead,
    key: VerifierKey,
    edge: Edge,
    /// The last checkpoint, and whether its file is there.
    signed: Option<Signed>,
}

#[derive(Debug, Clone)]
struct Signed {
    checkpoint: Checkpoint,
    note: String,
    at: UnixMillis,
    published: bool,
}

/// How the log is, for people and gauges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogStatus {
    /// Entries that are signed.
    pub size: u64,
    /// When the last checkpoint was signed.
    pub signed_at: Option<UnixMillis>,
    /// Records that were committed and are not signed yet, when they were last counted.
    pub unsequenced: u64,
    /// What stops it.
    pub trouble: Option<Trouble>,
    /// What delays it, and since when.
    pub late: Option<(UnixMillis, String)>,
    /// Published files that are not what the records give.
    pub damaged: Vec<String>,
}

impl AuditLog {
    /// The log; nothing is looked at yet.
    pub fn new(parts: LogParts) -> Self {
        let LogParts {
            store,
            files,
            clock,
            identity,
        } = parts;
        Self {
            store,
            files,
            clock,
            identity,
            state: Mutex::default(),
            step: tokio::sync::Mutex::default(),
        }
    }

    /// Signs and publishes what was committed until now. What goes wrong stands in the status.
    pub async fn sequence(self: &Arc<Self>) {
        let _one_at_a_time = self.step.lock().await;
        loop {
            match self.advance().await {
                Ok(true) => {}
                Ok(false) => {
                    self.state.lock().late = None;
                    return;
                }
                Err(NotSequenced::Broken(trouble)) => {
                    tracing::error!(
                        audit.trouble = trouble.what,
                        "the audit log is broken: nothing is issued until an operator has looked"
                    );
                    self.state.lock().position = Position::Broken(trouble);
                    return;
                }
                Err(NotSequenced::Later(why)) => {
                    let now = self.clock.now();
                    let mut state = self.state.lock();
                    let known = state
                        .late
                        .as_ref()
                        .is_some_and(|(_, before)| *before == why);
                    if !known {
                        tracing::error!(error.message = why, "the audit log is late");
                    }
                    let since = state.late.as_ref().map_or(now, |(since, _)| *since);
                    state.late = Some((since, why));
                    return;
                }
            }
        }
    }

    /// Looks for new records again and again, until `stop`.
    pub async fn run(self: Arc<Self>, every: Duration, stop: CancellationToken) {
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => self.sequence().await,
                () = stop.cancelled() => return,
            }
        }
    }

    /// How the log is.
    pub fn status(&self) -> LogStatus {
        let state = self.state.lock().clone();
        let mut status = LogStatus {
            unsequenced: state.unsequenced,
            late: state.late,
            damaged: state.damaged,
            ..LogStatus::default()
        };
        match state.position {
            Position::Unknown => {}
            Position::Broken(trouble) => status.trouble = Some(trouble),
            Position::At(head) => {
                status.size = head.edge.size();
                status.signed_at = head.signed.as_ref().map(|signed| signed.at);
            }
        }
        status
    }

    /// Whether nothing may be issued.
    pub fn is_broken(&self) -> bool {
        matches!(self.state.lock().position, Position::Broken(_))
    }

    /// Takes one step; says whether there may be another.
    async fn advance(self: &Arc<Self>) -> Result<bool, NotSequenced> {
        let position = self.state.lock().position.clone();
        match position {
            Position::Broken(_) => {
                // What is recorded meanwhile waits.
                let waiting = self.last_entry()?.saturating_sub(self.signed_size()?);
                self.state.lock().unsequenced = waiting;
                Ok(false)
            }
            Position::Unknown => self.take_up().await,
            Position::At(head) => self.go_on(head).await,
        }
    }

    async fn take_up(self: &Arc<Self>) -> Result<bool, NotSequenced> {
        match self.blocking(Self::start).await? {
            Start::Begin(step) => {
                if step.expected.is_some() {
                    self.fill_gaps().await?;
                }
                self.save(step).await?;
            }
            Start::At(head, damaged) => {
                let mut state = self.state.lock();
                state.position = Position::At(Arc::new(head));
                state.damaged = damaged;
            }
        }
        Ok(true)
    }

    async fn go_on(self: &Arc<Self>, head: Arc<Head>) -> Result<bool, NotSequenced> {
        let from = Arc::clone(&head);
        let extension = self.blocking(move |log| log.extend(&from)).await?;
        let Extension {
            mut head,
            full,
            more,
            waiting,
        } = match extension {
            Some(extension) => {
                let step = TreeStep {
                    expected: Some(head.stored.clone()),
                    next: extension.head.stored.clone(),
                    records: Vec::new(),
                };
                // INVARIANT: the store knows a checkpoint before anybody else does, so that a store which
                // knows less than what is published cannot be this one.
                self.save(step).await?;
                self.set(&extension.head, extension.waiting);
                extension
            }
            None => Extension::unchanged(&head),
        };
        let Some(signed) = head.signed.clone().filter(|signed| !signed.published) else {
            self.state.lock().unsequenced = waiting;
            return Ok(more);
        };
        let note = signed.note.clone();
        self.blocking(move |log| Ok(log.files.publish(&note, &full)?))
            .await?;
        tracing::info!(
            audit.origin = signed.checkpoint.origin,
            audit.size = signed.checkpoint.size,
            audit.root = %signed.checkpoint.root,
            audit.checkpoint = signed.note,
            "checkpoint"
        );
        head.signed = Some(Signed {
            published: true,
            ..signed
        });
        self.set(&head, waiting);
        Ok(more)
    }

    /// Numbers that a restored store has lost are never given again: records that say so stand there, so
    /// that record `n` is entry `n − 1` of the new log too.
    async fn fill_gaps(&self) -> Result<(), NotSequenced> {
        let lost = Record::new(Event::RecordLost, self.clock.now());
        while self.store.fill_gaps(GAP_AT_ONCE, lost.clone()).await? > 0 {}
        Ok(())
    }

    async fn save(&self, step: TreeStep) -> Result<(), NotSequenced> {
        if self.store.save_tree(step).await? {
            return Ok(());
        }
        Err(trouble::broken(
            "somebody else has changed the head of the audit log in the store",
            trouble::RESTORE,
        ))
    }

    fn set(&self, head: &Head, waiting: u64) {
        let mut state = self.state.lock();
        state.position = Position::At(Arc::new(head.clone()));
        state.unsequenced = waiting;
    }

    /// Runs work that reads, hashes and writes files where it holds up no call.
    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, NotSequenced> + Send + 'static,
    ) -> Result<T, NotSequenced> {
        let this = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || work(&this)).await;
        done.unwrap_or_else(|_| Err(NotSequenced::Later("the sequencer failed".to_owned())))
    }

    /// The head, unless the log is broken or was not looked at yet.
    fn head(&self) -> Option<Arc<Head>> {
        match &self.state.lock().position {
            Position::At(head) => Some(Arc::clone(head)),
            Position::Unknown | Position::Broken(_) => None,
        }
    }

    /// How many records the store's last checkpoint says were signed, whether or not they still are there.
    fn signed_size(&self) -> Result<u64, StoreError> {
        let note = self.store.tree()?.and_then(|head| head.checkpoint);
        let size = note.and_then(|note| note.lines().nth(1)?.parse().ok());
        Ok(size.unwrap_or(0))
    }

    fn last_entry(&self) -> Result<u64, StoreError> {
        self.store.last_entry()
    }
}
