//! A job of the keeper, and where it is in its life.

use taskpass_proto::v1;
use tokio::sync::{oneshot, watch};
use tokio::task::AbortHandle;

use crate::job::messages::{Closed, Reply};
use crate::job::view::JobView;

/// A job, with those who follow it.
pub(super) struct Job {
    pub(super) identity: usize,
    pub(super) view: watch::Sender<JobView>,
    pub(super) life: Life,
    /// When it came to its place in life: what the broker said before that is of another time.
    pub(super) since: tokio::time::Instant,
    pub(super) watches: Vec<AbortHandle>,
}

/// Where a job is, with those who wait for it.
pub(super) enum Life {
    Opening(Reply<JobView>),
    Open,
    Closing {
        cause: v1::Cause,
        waiting: Vec<oneshot::Sender<Closed>>,
    },
}

impl Job {
    pub(super) fn uid(&self) -> u32 {
        self.view.borrow().uid
    }

    pub(super) fn stop_watching(&mut self) {
        self.watches.drain(..).for_each(|watch| watch.abort());
    }
}
