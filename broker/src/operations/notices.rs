//! Tells a holder's stream that somebody else ended one of its jobs.

use std::collections::HashMap;

use parking_lot::Mutex;
use taskpass_proto::ids::JobId;
use tokio::sync::mpsc;

use crate::domain::cause::Cause;
use crate::domain::job::Owner;

/// A job of a holder's ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobEnded {
    /// The job.
    pub job: JobId,
    /// Why.
    pub cause: Cause,
}

/// The open streams, one for each holder: the newest.
#[derive(Debug, Default)]
pub struct Notices {
    streams: Mutex<HashMap<Owner, mpsc::Sender<JobEnded>>>,
}

impl Notices {
    /// How many notices wait for a slow stream. More are dropped: the next greeting tells what is gone.
    const WAITING: usize = 1024;

    /// Opens the stream of a holder, in the place of an older one.
    pub fn subscribe(&self, owner: &Owner) -> mpsc::Receiver<JobEnded> {
        let (sender, receiver) = mpsc::channel(Self::WAITING);
        self.streams.lock().insert(owner.clone(), sender);
        receiver
    }

    /// Tells the holder, if it listens.
    pub fn tell(&self, owner: &Owner, ended: JobEnded) {
        let mut streams = self.streams.lock();
        let Some(stream) = streams.get(owner) else {
            return;
        };
        if let Err(mpsc::error::TrySendError::Closed(_)) = stream.try_send(ended) {
            streams.remove(owner);
        }
    }
}
