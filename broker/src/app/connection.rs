//! One connection of a workload: whose it is, and how long it may live.

use std::future::Future;
use std::time::{Duration, Instant};

use taskpass_identity::PeerSvid;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long before the end of a connection its streams are told to open the next one first.
pub const RECONNECT_WITHIN: Duration = Duration::from_secs(5);

/// A connection, as the calls on it see it.
#[derive(Debug)]
pub struct Connection {
    peer: PeerSvid,
    ends_at: Instant,
    shutdown: Shutdown,
    streams: TaskTracker,
}

/// Where the broker is in shutting down.
#[derive(Debug, Clone)]
pub struct Shutdown {
    /// It will: readiness says so, and streams are told to go elsewhere.
    pub draining: CancellationToken,
    /// It does: streams end themselves.
    pub closing: CancellationToken,
}

impl Connection {
    /// A connection of `peer` that lives until `ends_at`, or until its SVID or the broker ends.
    pub fn new(peer: PeerSvid, ends_at: Instant, shutdown: Shutdown, streams: TaskTracker) -> Self {
        Self {
            peer,
            ends_at,
            shutdown,
            streams,
        }
    }

    /// Whose it is.
    pub fn peer(&self) -> &PeerSvid {
        &self.peer
    }

    /// When it ends at the latest.
    pub fn ends_at(&self) -> Instant {
        self.ends_at
    }

    /// How long it may live yet.
    pub fn remaining(&self) -> Duration {
        let now = tokio::time::Instant::now().into_std();
        self.ends_at.saturating_duration_since(now)
    }

    /// Completes when the broker begins to shut down.
    pub async fn draining(&self) {
        self.shutdown.draining.cancelled().await;
    }

    /// Completes when streams must end.
    pub async fn closing(&self) {
        self.shutdown.closing.cancelled().await;
    }

    /// Runs a stream of this connection's; a shutdown waits for it.
    pub fn spawn(&self, stream: impl Future<Output = ()> + Send + 'static) {
        self.streams.spawn(stream);
    }
}

/// Whether the broker can serve, as `/readyz` tells it.
#[derive(Debug, Clone)]
pub struct Readiness(watch::Sender<bool>);

impl Default for Readiness {
    fn default() -> Self {
        Self(watch::channel(false).0)
    }
}

impl Readiness {
    /// Sets it.
    pub fn set(&self, ready: bool) {
        self.0.send_replace(ready);
    }

    /// Reads it.
    pub fn is_ready(&self) -> bool {
        *self.0.borrow()
    }
}
