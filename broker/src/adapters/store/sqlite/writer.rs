//! The one writer: a thread that takes whatever waits, applies it in one transaction, syncs once, and only
//! then answers.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot, watch};

use super::checkpointer::{self, Checkpointer};
use super::columns::run;
use super::connection;
use super::errors::stopped;
use super::mark::Mark;
use super::transaction::{Memory, Transaction};
use crate::crash_points::{self, Point};
use crate::ports::random::Random;
use crate::ports::store::{StoreError, StoreErrorKind};

/// Commands that may wait; beyond, callers wait for a place.
const WAITING: usize = 4096;
/// Commands of one transaction: enough to share a sync, few enough that nobody waits long.
const GROUP: usize = 256;

/// The handle to the thread.
pub(super) struct Writer {
    commands: Option<mpsc::Sender<Box<dyn Command>>>,
    thread: Option<JoinHandle<()>>,
    counters: Arc<Counters>,
}

/// What the thread counts.
#[derive(Debug, Default)]
struct Counters {
    commits: AtomicU64,
    open_jobs: AtomicU64,
    newest_revocation: watch::Sender<u64>,
    /// The number of the last record that is durable.
    recorded: Arc<AtomicU64>,
}

/// Something to write.
trait Command: Send {
    /// Applies it inside a transaction. It may be called more than once; only the last time counts.
    fn apply(&mut self, transaction: &mut Transaction<'_>) -> Result<(), StoreError>;

    /// Tells whoever asked, once the transaction is durable or has failed.
    fn answer(self: Box<Self>, outcome: Result<(), StoreError>);
}

/// A command made of a function, with its answer kept aside until it is durable.
struct Work<T, F> {
    run: F,
    answer: Option<T>,
    asked: oneshot::Sender<Result<T, StoreError>>,
}

/// Why a transaction came to nothing.
struct Failed {
    error: StoreError,
    /// Whether the same commands, one by one, may fare better.
    may_be_one_commands_fault: bool,
}

struct Thread {
    path: PathBuf,
    connection: Connection,
    /// A sync failed since the log began.
    log_is_suspect: bool,
    memory: Memory,
    random: Arc<dyn Random>,
    checkpointer: Checkpointer,
    counters: Arc<Counters>,
}

impl Writer {
    /// Starts the thread on the one connection that writes, and the one beside it that copies the log.
    pub(super) fn start(
        path: &Path,
        connection: Connection,
        mark: Mark,
        random: Arc<dyn Random>,
    ) -> Result<Self, StoreError> {
        let memory = Memory::read(&connection)?;
        let counters = Arc::new(Counters::default());
        counters.follow(&memory);
        let checkpointer = Checkpointer::start(path, mark, Arc::clone(&counters.recorded))?;
        let (commands, waiting) = mpsc::channel(WAITING);
        let own = Thread {
            path: path.to_owned(),
            connection,
            log_is_suspect: false,
            memory,
            random,
            checkpointer,
            counters: Arc::clone(&counters),
        };
        let thread = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || own.run(waiting))
            .map_err(|_| stopped())?;
        Ok(Self {
            commands: Some(commands),
            thread: Some(thread),
            counters,
        })
    }

    /// Runs `work` inside a transaction and hands its answer back once that is durable.
    ///
    /// It may run more than once, when a transaction is repeated. Whoever stops waiting does not stop it.
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&mut Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (asked, answer) = oneshot::channel();
        let command = Work {
            run: work,
            answer: None,
            asked,
        };
        let commands = self.commands.as_ref().ok_or_else(stopped)?;
        let sent = commands.send(Box::new(command)).await;
        sent.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// How many transactions were committed since the store was opened.
    pub(super) fn commits(&self) -> u64 {
        self.counters.commits.load(Ordering::Acquire)
    }

    /// How many jobs are open, by what is committed.
    pub(super) fn open_jobs(&self) -> u64 {
        self.counters.open_jobs.load(Ordering::Acquire)
    }

    /// The newest number of the feed of revocations that is committed.
    pub(super) fn newest_revocation(&self) -> watch::Receiver<u64> {
        self.counters.newest_revocation.subscribe()
    }
}

impl Counters {
    fn tell_revocation(&self, newest: u64) {
        let tell = |known: &mut u64| std::mem::replace(known, newest) != newest;
        self.newest_revocation.send_if_modified(tell);
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
        let mut group = Vec::with_capacity(GROUP);
        while waiting.blocking_recv_many(&mut group, GROUP) > 0 {
            self.write(&mut group);
            self.checkpointer.watch(&self.connection);
        }
    }

    /// Writes a group together; when one of its commands is to blame, each by itself, so that it harms no other.
    fn write(&mut self, group: &mut Vec<Box<dyn Command>>) {
        match self.commit(group) {
            Err(failed) if failed.may_be_one_commands_fault && group.len() > 1 => {
                for command in group.drain(..) {
                    self.write(&mut vec![command]);
                }
            }
            outcome => {
                crash_points::reach(Point::CommitAfter);
                let outcome = outcome.map_err(|failed| failed.error);
                for command in group.drain(..) {
                    command.answer(outcome.clone());
                }
            }
        }
    }

    /// Leaves everything as it was when it fails, the connection outside any transaction included.
    fn commit(&mut self, group: &mut [Box<dyn Command>]) -> Result<(), Failed> {
        if self.log_is_suspect {
            self.begin_log_anew().map_err(Failed::whole)?;
        }
        let outcome = self.transact(group);
        match &outcome {
            Ok(()) => {
                self.memory.commit();
                self.counters.commits.fetch_add(1, Ordering::AcqRel);
                self.counters.follow(&self.memory);
            }
            Err(failed) => {
                self.log_is_suspect = failed.error.kind == StoreErrorKind::Io;
                self.memory.roll_back();
                // Some failures have rolled back already. When this one fails too, so will the next
                // `BEGIN`, and whoever asked is told.
                if !self.connection.is_autocommit() {
                    let _ = run(&self.connection, "ROLLBACK", []);
                }
            }
        }
        outcome
    }

    fn transact(&mut self, group: &mut [Box<dyn Command>]) -> Result<(), Failed> {
        run(&self.connection, "BEGIN IMMEDIATE", []).map_err(Failed::whole)?;
        let mut transaction =
            Transaction::new(&self.connection, &mut self.memory, self.random.as_ref());
        let half = group.len() / 2;
        for (place, command) in group.iter_mut().enumerate() {
            if place == half && half > 0 {
                crash_points::reach(Point::GroupHalf);
            }
            command.apply(&mut transaction)?;
        }
        crash_points::reach(Point::CommitBefore);
        // INVARIANT: nobody hears of a command before this has returned; it syncs.
        run(&self.connection, "COMMIT", [])?;
        Ok(())
    }

    /// INVARIANT: nothing is committed behind a sync that failed; see [`checkpointer::leave_log_behind`].
    fn begin_log_anew(&mut self) -> Result<(), StoreError> {
        let connection = connection::writing(&self.path)?;
        checkpointer::leave_log_behind(&connection)?;
        self.memory = Memory::read(&connection)?;
        self.connection = connection;
        self.log_is_suspect = false;
        tracing::info!("the store's log was begun anew after a failed write");
        Ok(())
    }
}

impl Counters {
    fn follow(&self, memory: &Memory) {
        self.open_jobs.store(memory.live.total(), Ordering::Release);
        self.recorded.store(memory.last_record(), Ordering::Release);
        self.tell_revocation(memory.newest_revocation());
    }
}

impl Failed {
    /// No command is to blame.
    fn whole(error: StoreError) -> Self {
        Self {
            error,
            may_be_one_commands_fault: false,
        }
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        let may_be_one_commands_fault = match error.kind {
            // A smaller transaction may still find its place.
            StoreErrorKind::Full | StoreErrorKind::Other => true,
            StoreErrorKind::ReadOnly
            | StoreErrorKind::Io
            | StoreErrorKind::Corrupt
            | StoreErrorKind::Stopped => false,
        };
        Self {
            error,
            may_be_one_commands_fault,
        }
    }
}

impl<T, F> Command for Work<T, F>
where
    T: Send,
    F: FnMut(&mut Transaction<'_>) -> Result<T, StoreError> + Send,
{
    fn apply(&mut self, transaction: &mut Transaction<'_>) -> Result<(), StoreError> {
        self.answer = Some((self.run)(transaction)?);
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<(), StoreError>) {
        let Self { answer, asked, .. } = *self;
        // Whoever asked may have stopped waiting.
        let _ = asked.send(outcome.and_then(|()| answer.ok_or_else(stopped)));
    }
}
