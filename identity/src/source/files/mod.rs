//! SVIDs and bundles in PEM files that rotate on disk.
//!
//! The files are read again every second and compared by content. That is all there is to know
//! about them: inotify misses network and overlay file systems and sees symbolic links being
//! swapped (Kubernetes' `..data`) only with care, and time stamps are too coarse to be trusted.
//!
//! New content is taken over once it has been read twice the same, so that a file is not taken
//! while it is being written, and only if it is good: otherwise the old one stays in force and
//! [`Live::problem`] says why.

mod bundles;
mod error;
mod poll;
mod read;
mod svid;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::time_provider::TimeProvider;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::Live;
use crate::bundle::BundleSet;
use crate::spiffe_id::TrustDomain;
use crate::svid::X509Svid;

pub use error::{FileError, WhyFile};
use poll::{Poll, Poller};

const INTERVAL: Duration = Duration::from_secs(1);

/// The two files of an X.509-SVID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SvidPaths {
    /// The certificates in PEM, leaf first.
    pub certificate: PathBuf,
    /// The private key in PEM, which others may not read.
    pub private_key: PathBuf,
}

/// What is in force of some files; clones share it.
pub type FileSource<T> = Live<T, FileError>;

/// Reads the files of a [`FileSource`] again and again.
pub struct Reloader {
    interval: Duration,
    poll: Box<dyn Poll>,
}

/// Reads an SVID from its two files; fails unless it is good now.
pub fn svid(
    paths: SvidPaths,
    time: Arc<dyn TimeProvider>,
) -> Result<(FileSource<X509Svid>, Reloader), FileError> {
    let (poller, source) = Poller::open(svid::SvidFiles { paths, time })?;
    Ok((source, Reloader::new(poller)))
}

/// Reads one file with roots for each trust domain; fails unless all are good.
pub fn bundles(
    paths: BTreeMap<TrustDomain, PathBuf>,
) -> Result<(FileSource<BundleSet>, Reloader), FileError> {
    let (files, source) = bundles::BundleFiles::open(paths)?;
    Ok((source, Reloader::new(files)))
}

impl Reloader {
    fn new(poll: impl Poll) -> Self {
        Self {
            interval: INTERVAL,
            poll: Box::new(poll),
        }
    }

    /// Reads them at another interval than every second.
    pub fn every(self, interval: Duration) -> Self {
        // An interval of zero would panic in the timer.
        let interval = interval.max(Duration::from_millis(1));
        Self { interval, ..self }
    }

    /// Keeps reading until the shutdown.
    pub async fn run(self, shutdown: CancellationToken) {
        let Self { interval, mut poll } = self;
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = ticks.tick() => {}
            }
            // Files may lie on a network that hangs.
            let polled = tokio::task::spawn_blocking(move || {
                poll.poll();
                poll
            });
            poll = tokio::select! {
                () = shutdown.cancelled() => return,
                polled = polled => match polled {
                    Ok(poll) => poll,
                    Err(error) => {
                        tracing::error!(error = %error, "reading identity files has stopped");
                        return;
                    }
                }
            };
        }
    }
}

impl fmt::Debug for Reloader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloader")
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}
