//! A journal in memory, on a disk that hangs or fails when told to.

use std::sync::{Arc, Mutex};

use tokio::sync::{mpsc, watch};

use crate::journal::{Entry, NotWritten, What, Write};

/// Clones are of the same disk.
#[derive(Clone, Default)]
pub(super) struct FakeDisk {
    state: Arc<watch::Sender<State>>,
    written: Arc<Mutex<Vec<Entry>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum State {
    #[default]
    Works,
    Hangs,
    Fails,
}

impl FakeDisk {
    pub(super) fn set(&self, state: State) {
        self.state.send_replace(state);
    }

    /// What is on it.
    pub(super) fn written(&self) -> Vec<Entry> {
        self.written.lock().unwrap().clone()
    }

    pub(super) async fn run(self, mut writes: mpsc::UnboundedReceiver<Write>) {
        let mut states = self.state.subscribe();
        while let Some(Write { what, durable }) = writes.recv().await {
            let state = states.wait_for(|state| *state != State::Hangs).await;
            let outcome = match *state.unwrap() {
                State::Fails => Err(NotWritten::from(std::io::Error::other("disk full"))),
                State::Works | State::Hangs => Ok(()),
            };
            if let (What::Entry(entry), Ok(())) = (what, &outcome) {
                self.written.lock().unwrap().push(entry);
            }
            if let Some(durable) = durable {
                let _ = durable.send(outcome);
            }
        }
    }
}
