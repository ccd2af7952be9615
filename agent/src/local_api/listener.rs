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
use hyper_util::rt::{TokioIo, TokioTimer};
use taskpass_proto::ids::JobId;
use taskpass_proto::v1;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::callers::Peer;
use crate::config::SocketConfig;
use crate::job::messages::{Close, Jobs};

/// A request's head must be there by then.
const HEADER_DEADLINE: Duration = Duration::from_secs(10);

/// A connection of a local caller.
#[derive(Debug)]
pub struct Connection {
    /// Who it is.
    pub peer: Peer,
    /// Jobs that end when it closes.
    tied: Mutex<Vec<JobId>>,
}

/// The local socket.
#[derive(Debug)]
pub struct LocalListener {
    listener: UnixListener,
    path: PathBuf,
    places: Arc<Semaphore>,
}

impl Connection {
    /// Ties a job to this connection.
    pub fn close_with_it(&self, job: JobId) {
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
        let places = Arc::new(Semaphore::new(connections));
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
            let Ok((stream, _)) = accepted else { continue };
            let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
                tracing::warn!("too many local connections");
                continue;
            };
            let (router, jobs, shutdown) = (router.clone(), jobs.clone(), shutdown.clone());
            connections.spawn(async move {
                serve_connection(stream, router, jobs, shutdown).await;
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
    router: Router,
    jobs: Jobs,
    shutdown: CancellationToken,
) {
    let peer = match Peer::of(&stream) {
        Ok(peer) => peer,
        Err(error) => return tracing::warn!(%error, "a local caller could not be identified"),
    };
    let connection = Arc::new(Connection {
        peer,
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
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_DEADLINE);
    let mut served = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        _ = served.as_mut() => {}
        () = shutdown.cancelled() => {
            served.as_mut().graceful_shutdown();
            let _ = tokio::time::timeout(Duration::from_secs(1), served).await;
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
