//! What may exist at the broker: written and synced before it is asked for, and kept until it is confirmed
//! closed. Never a token.
//!
//! - [`Journal`]: says what is to be written, and hears when it is durable
//! - [`entry`]: what a line says
//! - [`file`](mod@file): the file
//! - [`writer`]: the thread that writes it

mod entry;
mod file;
mod writer;

use std::sync::Arc;

use taskpass_proto::ids::JobId;
use tokio::sync::{mpsc, oneshot};

pub(crate) use self::entry::Entry;
pub use self::entry::{Ending, Remembered};
pub use self::file::JournalFile;
pub use self::writer::Writer;
use crate::watch::process::Started;

/// Says what is to be written. Nothing here waits for the disk.
#[derive(Debug, Clone)]
pub struct Journal {
    /// Without a bound: each job is written about a few times, and jobs are bounded.
    writes: mpsc::UnboundedSender<Write>,
}

/// The promise that something will be on disk.
#[derive(Debug)]
pub struct Durable(oneshot::Receiver<Result<(), NotWritten>>);

/// The journal could not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotWritten(Arc<str>);

/// Something to do, and who wants to know that it is durable.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) what: What,
    pub(crate) durable: Option<oneshot::Sender<Result<(), NotWritten>>>,
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum What {
    /// A line more.
    Entry(Entry),
    /// Nothing but to say when all that was asked before is durable.
    Nothing,
    /// The whole file anew: somebody else may have written it.
    Anew,
}

impl Journal {
    /// A journal that is written by whoever takes from the receiver.
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Write>) {
        let (writes, receiver) = mpsc::unbounded_channel();
        (Self { writes }, receiver)
    }

    /// A job is about to be opened. Once durable, no crash can lose it; if it cannot be written, it is as
    /// if it had never been said.
    pub fn opening(&self, job: JobId, record: Remembered) -> Durable {
        let job = job.to_string();
        self.synced(What::Entry(Entry::Opening { job, record }))
    }

    /// A lease has a token of this generation. A lost line costs one more call, so nobody waits for it.
    pub fn lease(&self, job: JobId, lease: &str, generation: u32) {
        let (job, lease) = (job.to_string(), lease.to_owned());
        self.write(Entry::Lease {
            job,
            lease,
            generation,
        });
    }

    /// A job is tied to one more process. Once durable, its exit ends the job also after a crash.
    pub fn process(&self, job: JobId, process: Started) -> Durable {
        let job = job.to_string();
        self.synced(What::Entry(Entry::Process { job, process }))
    }

    /// A job is to be closed.
    pub fn closing(&self, job: JobId, ending: Ending) -> Durable {
        let job = job.to_string();
        self.synced(What::Entry(Entry::Closing { job, ending }))
    }

    /// The broker has confirmed the end. A lost line costs one more call.
    pub fn gone(&self, job: JobId) {
        let job = job.to_string();
        self.write(Entry::Gone { job });
    }

    /// Everything that was said before.
    pub fn everything(&self) -> Durable {
        self.synced(What::Nothing)
    }

    /// Writes the whole file anew: somebody else may have written it.
    pub fn anew(&self) -> Durable {
        self.synced(What::Anew)
    }

    fn write(&self, entry: Entry) {
        let _ = self.writes.send(Write {
            what: What::Entry(entry),
            durable: None,
        });
    }

    fn synced(&self, what: What) -> Durable {
        let (durable, promise) = oneshot::channel();
        let durable = Some(durable);
        let _ = self.writes.send(Write { what, durable });
        Durable(promise)
    }
}

impl Durable {
    /// Waits until it is on disk.
    pub async fn wait(self) -> Result<(), NotWritten> {
        let gone = || NotWritten("the journal is closed".into());
        self.0.await.map_err(|_| gone())?
    }
}

impl From<std::io::Error> for NotWritten {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string().into())
    }
}
