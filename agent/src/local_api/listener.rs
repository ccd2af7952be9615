//! Accepts local callers, and asks the kernel who they are before anything they say is read.

use std::convert::Infallible;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper_util::rt::TokioIo;
use taskpass_proto::ids::JobId;
use taskpass_proto::v1;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::activity::Activity;
use super::places::Places;
use super::problem::Problem;
use crate::callers::Peer;
use crate::config::SocketConfig;
use crate::job::messages::{Close, Jobs};

/// The system has no file descriptors left: wait this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Answers under way when a connection is to end have this long.
const DRAIN: Duration = Duration::from_secs(1);

/// A connection of a local caller.
#[derive(Debug)]
pub struct Connection {
    /// Who it is.
    pub peer: Peer,
    /// Whether it is of use.
    pub activity: Activity,
    /// Jobs that end when it closes.
    tied: Mutex<Vec<JobId>>,
}

/// The local socket.
#[derive(Debug)]
pub struct LocalListener {
    listener: UnixListener,
    path: PathBuf,
    places: Arc<Places>,
}

impl Connection {
    /// Ties a job to this connection, which may stay idle from now on.
    pub fn close_with_it(&self, job: JobId) {
        self.activity.anchor();
        self.tied
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(job);
    }

    fn tied(&self) -> Vec<JobId> {
        std::mem::take(&mut *self.tied.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl LocalListener {
    /// Binds the socket, in the place of one that nobody listens on any more.
    pub fn bind(socket: &SocketConfig, connections: usize) -> io::Result<Self> {
        let path = &socket.path;
        remove_stale(path)?;
        let listener = UnixListener::bind(path)?;
        if let Some(gid) = socket.gid {
            std::os::unix::fs::chown(path, None, Some(gid))?;
        }
        fs::set_permissions(path, Permissions::from_mode(socket.mode))?;
        let places = Arc::new(Places::new(connections));
        Ok(Self {
            listener,
            path: path.clone(),
            places,
        })
    }

    /// Serves until `shutdown`.
    pub async fn serve(self, router: Router, jobs: Jobs, shutdown: CancellationToken) {
        let connections = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = shutdown.cancelled() => break,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(error.message = %error, "no connection could be accepted");
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let peer = match Peer::of(&stream) {
                Ok(peer) => peer,
                Err(error) => {
                    tracing::warn!(%error, "a local caller could not be identified");
                    continue;
                }
            };
            let Some(place) = Places::take(&self.places, peer.uid) else {
                tracing::warn!(caller.uid = peer.uid, "too many local connections");
                refuse(&stream);
                continue;
            };
            let (router, jobs, shutdown) = (router.clone(), jobs.clone(), shutdown.clone());
            connections.spawn(async move {
                serve_connection(stream, peer, router, &jobs, shutdown).await;
                drop(place);
            });
        }
        connections.close();
        connections.wait().await;
        let _ = fs::remove_file(&self.path);
    }
}

async fn serve_connection(
    stream: UnixStream,
    peer: Peer,
    router: Router,
    jobs: &Jobs,
    shutdown: CancellationToken,
) {
    let connection = Arc::new(Connection {
        peer,
        activity: Activity::default(),
        tied: Mutex::default(),
    });
    let of_requests = Arc::clone(&connection);
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Arc::clone(&of_requests));
        let router = router.clone();
        async move {
            match router.oneshot(request.map(Body::new)).await {
                Ok(response) => Ok::<_, Infallible>(response),
                Err(never) => match never {},
            }
        }
    });
    let mut builder = Builder::new();
    // This one also counts while nothing is asked, and would end jobs that are tied to the connection:
    // `Activity` says when it is idle for too long.
    builder.header_read_timeout(None);
    let mut served = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        _ = served.as_mut() => {}
        () = ended(&connection.activity, &shutdown) => {
            served.as_mut().graceful_shutdown();
            let _ = tokio::time::timeout(DRAIN, served).await;
        }
    }
    for job in connection.tied() {
        let close = Close {
            id: job,
            uid: None,
            cause: v1::Cause::JobClosed,
            exit_status: None,
        };
        let closed = jobs.close(close, Duration::ZERO).await;
        tracing::info!(job.id = %job, job.known = closed.is_ok(), "connection closed; job closes");
    }
}

/// Waits until a connection has no right to live any more.
async fn ended(activity: &Activity, shutdown: &CancellationToken) {
    tokio::select! {
        () = activity.idle() => {}
        () = shutdown.cancelled() => {}
    }
}

/// A word to somebody who has too many connections, if it can be said at once.
fn refuse(stream: &UnixStream) {
    let _ = stream.try_write(&Problem::too_many_connections().to_http());
}

/// Removes a socket that nobody listens on; refuses to touch a live one, or a file that is no socket.
fn remove_stale(path: &Path) -> io::Result<()> {
    let Ok(found) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !found.file_type().is_socket() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "it exists and is not a socket",
        ));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "another agent listens on it",
        )),
        Err(_) => fs::remove_file(path),
    }
}
