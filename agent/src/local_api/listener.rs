//! Accepts local callers, and asks the kernel who they are before anything they say is read.

use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Bytes;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::connection::{self, Halt, Parked};
use super::places::Places;
use super::problem::Problem;
use super::stream::LocalStream;
use crate::callers::Peer;
use crate::config::SocketConfig;
use crate::job::messages::Jobs;

/// The system has no file descriptors left: wait this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The local socket, with the connections that wait to be served on.
#[derive(Debug)]
pub struct LocalListener {
    listener: UnixListener,
    path: PathBuf,
    places: Arc<Places>,
    parked: Vec<Parked>,
}

impl LocalListener {
    /// Binds the socket, in the place of one that nobody listens on any more.
    pub fn bind(socket: &SocketConfig, connections: usize) -> io::Result<Self> {
        remove_stale(&socket.path)?;
        let listener = UnixListener::bind(&socket.path)?;
        Self::of(listener, socket, connections)
    }

    /// Goes on with a socket that is bound, and with its connections.
    pub fn adopt(
        listener: std::os::unix::net::UnixListener,
        parked: Vec<Parked>,
        socket: &SocketConfig,
        connections: usize,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let this = Self::of(UnixListener::from_std(listener)?, socket, connections)?;
        Ok(Self { parked, ..this })
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The connections that wait to be served on.
    pub fn parked(&self) -> &[Parked] {
        &self.parked
    }

    /// Serves until it is halted; gives itself back if it was left for somebody else to go on.
    pub async fn serve(mut self, router: Router, jobs: Jobs, halt: Halt) -> Option<Self> {
        let mut connections = JoinSet::new();
        for parked in std::mem::take(&mut self.parked) {
            // They were let in before, and keep their place whatever the limit is now.
            let place = Places::take(&self.places, parked.peer.uid);
            let (router, jobs, halt) = (router.clone(), jobs.clone(), halt.clone());
            connections.spawn(async move {
                let _place = place;
                connection::serve(parked, router, &jobs, halt).await
            });
        }
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                Some(ended) = connections.join_next() => {
                    // One may be left before this loop sees that all are to be.
                    self.parked.extend(ended.ok().flatten());
                    continue;
                }
                () = halt.stop.cancelled() => break,
                () = halt.leave.cancelled() => break,
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
            let (router, jobs, halt) = (router.clone(), jobs.clone(), halt.clone());
            let accepted = Parked {
                stream: LocalStream::new(Bytes::new(), stream),
                peer,
                tied: vec![],
            };
            connections.spawn(async move {
                let _place = place;
                connection::serve(accepted, router, &jobs, halt).await
            });
        }
        while let Some(ended) = connections.join_next().await {
            self.parked.extend(ended.ok().flatten());
        }
        if halt.stop.is_cancelled() {
            let _ = fs::remove_file(&self.path);
            return None;
        }
        Some(self)
    }

    fn of(listener: UnixListener, socket: &SocketConfig, connections: usize) -> io::Result<Self> {
        if let Some(gid) = socket.gid {
            std::os::unix::fs::chown(&socket.path, None, Some(gid))?;
        }
        fs::set_permissions(&socket.path, Permissions::from_mode(socket.mode))?;
        Ok(Self {
            listener,
            path: socket.path.clone(),
            places: Arc::new(Places::new(connections)),
            parked: vec![],
        })
    }
}

impl AsFd for LocalListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
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
