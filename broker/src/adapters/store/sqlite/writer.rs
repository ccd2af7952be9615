//! The one writer: a thread that takes whatever waits, applies it in one transaction, syncs once, and only
//! then answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot, watch};

use super::checkpointer::Checkpointer;
use super::columns::run;
use super::errors::stopped;
use super::transaction::{Memory, Transaction};
use crate::ports::random::Random;
use crate::ports::store::StoreError;

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

struct Thread {
    connection: Connection,
    memory: Memory,
    random: Arc<dyn Random>,
    checkpointer: Checkpointer,
    counters: Arc<Counters>,
}

impl Writer {
    /// Starts the thread on the one connection that writes.
    pub(super) fn start(
        connection: Connection,
        checkpointer: Checkpointer,
        random: Arc<dyn Random>,
    ) -> Result<Self, StoreError> {
        let memory = Memory::read(&connection)?;
        let counters = Arc::new(Counters::default());
        counters
            .open_jobs
            .store(memory.live.total(), Ordering::Release);
        counters.tell_revocation(memory.newest_revocation());
        let (commands, waiting) = mpsc::channel(WAITING);
        let own = Thread {
            connection,
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

    /// Writes a group together; when that fails, each by itself, so that one bad command harms no other.
    fn write(&mut self, group: &mut Vec<Box<dyn Command>>) {
        let alone = group.len() == 1;
        match self.commit(group) {
            Err(_) if !alone => {
                for command in group.drain(..) {
                    self.write(&mut vec![command]);
                }
            }
            outcome => {
                for command in group.drain(..) {
                    command.answer(outcome.clone());
                }
            }
        }
    }

    /// Leaves everything as it was when it fails, the connection outside any transaction included.
    fn commit(&mut self, group: &mut [Box<dyn Command>]) -> Result<(), StoreError> {
        let outcome = self.transact(group);
        if outcome.is_ok() {
            self.memory.commit();
            self.counters.commits.fetch_add(1, Ordering::AcqRel);
            let open = self.memory.live.total();
            self.counters.open_jobs.store(open, Ordering::Release);
            self.counters
                .tell_revocation(self.memory.newest_revocation());
        } else {
            self.memory.roll_back();
            // Some failures have rolled back already. When this one fails too, so will the next `BEGIN`,
            // and whoever asked is told.
            if !self.connection.is_autocommit() {
                let _ = run(&self.connection, "ROLLBACK", []);
            }
        }
        outcome
    }

    fn transact(&mut self, group: &mut [Box<dyn Command>]) -> Result<(), StoreError> {
        run(&self.connection, "BEGIN IMMEDIATE", [])?;
        let mut transaction =
            Transaction::new(&self.connection, &mut self.memory, self.random.as_ref());
        for command in group {
            command.apply(&mut transaction)?;
        }
        // INVARIANT: nobody hears of a command before this has returned; it syncs.
        run(&self.connection, "COMMIT", []).map(drop)
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
