//! The one writer: a thread that takes whatever waits, applies it in one transaction, syncs once, and only
//! then answers.

use std::sync::Arc;
use std::thread::JoinHandle;

use rusqlite::{Connection, TransactionBehavior};
use taskpass_identity::SpiffeId;
use taskpass_proto::task_name::TaskName;
use tokio::sync::{mpsc, oneshot};

use super::audit_log::LastNumber;
use super::errors::{stopped, store_error};
use super::live_jobs::{Deltas, LiveJobs};
use super::open::OpenError;
use crate::domain::audit::Record;
use crate::ports::random::Random;
use crate::ports::store::StoreError;

/// Commands that may wait; beyond, callers wait for a place.
const WAITING: usize = 4096;
/// Commands of one transaction: enough to share a sync, few enough that nobody waits long.
const GROUP: usize = 256;
/// After so many commands the log is checkpointed as soon as nobody waits.
const CHECKPOINT_WHEN_IDLE: usize = 2_000;
/// After so many it is checkpointed in any case, so that it does not grow without bound.
const CHECKPOINT_ALWAYS: usize = 50_000;

/// Something to write. It may be applied more than once; only the last time counts.
pub(super) trait Command: Send {
    /// Writes inside a transaction.
    fn apply(&mut self, transaction: &mut InTransaction<'_>) -> rusqlite::Result<()>;
    /// Hears what became of the transaction, once it is synced.
    fn finish(self: Box<Self>, outcome: Result<(), StoreError>);
}

/// A transaction under way.
pub(super) struct InTransaction<'a> {
    pub(super) connection: &'a Connection,
    live: &'a LiveJobs,
    deltas: Deltas,
    last: LastNumber,
    random: &'a dyn Random,
}

/// The handle to the thread.
pub(super) struct Writer {
    commands: Option<mpsc::Sender<Box<dyn Command>>>,
    thread: Option<JoinHandle<()>>,
}

struct Thread {
    connection: Connection,
    live: LiveJobs,
    last: LastNumber,
    random: Arc<dyn Random>,
    since_checkpoint: usize,
}

impl Writer {
    pub(super) fn start(
        connection: Connection,
        random: Arc<dyn Random>,
    ) -> Result<Self, OpenError> {
        let path = connection.path().unwrap_or_default().into();
        let begin = || {
            Ok((
                LiveJobs::count(&connection)?,
                LastNumber::read(&connection)?,
            ))
        };
        let (live, last) = begin().map_err(|source| OpenError::NotAStore { path, source })?;
        let (commands, waiting) = mpsc::channel(WAITING);
        let thread = Thread {
            connection,
            live,
            last,
            random,
            since_checkpoint: 0,
        };
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || thread.run(waiting))
            .map_err(|source| OpenError::File {
                path: "a thread".into(),
                source,
            })?;
        Ok(Self {
            commands: Some(commands),
            thread: Some(thread),
        })
    }

    /// Hands a command over and waits until it is durable.
    pub(super) async fn write<T, C, F>(&self, command: F) -> Result<T, StoreError>
    where
        C: Command + 'static,
        F: FnOnce(oneshot::Sender<Result<T, StoreError>>) -> C,
    {
        let (done, outcome) = oneshot::channel();
        let commands = self.commands.as_ref().ok_or_else(stopped)?;
        commands
            .send(Box::new(command(done)))
            .await
            .map_err(|_| stopped())?;
        outcome.await.map_err(|_| stopped())?
    }
}

impl Drop for Writer {
    /// What was handed over is written before the store is closed.
    fn drop(&mut self) {
        drop(self.commands.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Thread {
    fn run(mut self, mut waiting: mpsc::Receiver<Box<dyn Command>>) {
        while let Some(first) = waiting.blocking_recv() {
            let mut group = vec![first];
            while group.len() < GROUP {
                let Ok(next) = waiting.try_recv() else { break };
                group.push(next);
            }
            self.since_checkpoint += group.len();
            self.write(group);
            let idle = waiting.is_empty() && self.since_checkpoint >= CHECKPOINT_WHEN_IDLE;
            if idle || self.since_checkpoint >= CHECKPOINT_ALWAYS {
                self.checkpoint();
            }
        }
        self.checkpoint();
    }

    /// Writes a group together; when that fails, each by itself, so that one bad command harms no other.
    fn write(&mut self, mut group: Vec<Box<dyn Command>>) {
        match self.attempt(&mut group) {
            Ok(()) => group.into_iter().for_each(|command| command.finish(Ok(()))),
            Err(error) if group.len() == 1 => {
                let error = store_error(&error);
                group
                    .into_iter()
                    .for_each(|command| command.finish(Err(error.clone())));
            }
            Err(_) => group
                .into_iter()
                .for_each(|command| self.write(vec![command])),
        }
    }

    fn attempt(&mut self, group: &mut [Box<dyn Command>]) -> rusqlite::Result<()> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut under_way = InTransaction {
            connection: &transaction,
            live: &self.live,
            deltas: Deltas::default(),
            last: self.last,
            random: self.random.as_ref(),
        };
        for command in group {
            command.apply(&mut under_way)?;
        }
        let InTransaction { deltas, last, .. } = under_way;
        // INVARIANT: nobody hears of a command before this has returned.
        transaction.commit()?;
        self.live.commit(deltas);
        self.last = last;
        Ok(())
    }

    fn checkpoint(&mut self) {
        let done = self
            .connection
            .pragma_update(None, "wal_checkpoint", "PASSIVE");
        if let Err(error) = done {
            // The answer is a row, which `pragma_update` reports; anything else is worth a line.
            if !matches!(error, rusqlite::Error::ExecuteReturnedResults) {
                tracing::warn!(%error, "checkpoint failed; the next one tries again");
            }
        }
        self.since_checkpoint = 0;
    }
}

impl InTransaction<'_> {
    /// How many jobs of a workload and task are open now.
    pub(super) fn live_jobs(&self, subject: &SpiffeId, task: &TaskName) -> u32 {
        self.live.of(&self.deltas, subject, task)
    }

    /// A job was opened or ended.
    pub(super) fn count(&mut self, subject: &SpiffeId, task: &TaskName, delta: i64) {
        self.deltas.add(subject, task, delta);
    }

    /// Appends to the audit log.
    pub(super) fn append(&mut self, records: &[Record]) -> rusqlite::Result<()> {
        self.last.append(self.connection, records, self.random)
    }
}
