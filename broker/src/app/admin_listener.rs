//! The operator's Unix socket: owner only, and a list of user ids that the kernel vouches for.

use std::convert::Infallible;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// Calls under way when the broker closes have this long; a backup is given up.
const DRAIN_DEADLINE: Duration = Duration::from_secs(15);
/// Wait this long before accepting again when the system has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who called, by the kernel's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operator {
    /// The user id.
    pub uid: u32,
}

/// The operator's socket.
pub struct AdminListener {
    listener: UnixListener,
    path: PathBuf,
    uids: Vec<u32>,
}

impl AdminListener {
    /// Binds the socket, in the place of one that nobody listens on any more.
    pub fn bind(path: &Path, uids: Vec<u32>) -> io::Result<Self> {
        remove_stale(path)?;
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
        Ok(Self {
            listener,
            path: path.to_owned(),
            uids,
        })
    }

    /// Serves until the broker closes.
    pub async fn serve(self, router: Router, shutdown: CancellationToken) {
        let connections = TaskTracker::new();
        let uids: Arc<[u32]> = self.uids.clone().into();
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = shutdown.cancelled() => break,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "accept failed");
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let (router, uids, shutdown) = (router.clone(), Arc::clone(&uids), shutdown.clone());
            connections.spawn(async move { connection(stream, router, &uids, shutdown).await });
        }
        connections.close();
        connections.wait().await;
        let _ = fs::remove_file(&self.path);
    }
}

async fn connection(stream: UnixStream, router: Router, uids: &[u32], shutdown: CancellationToken) {
    let Ok(credentials) = stream.peer_cred() else {
        return;
    };
    let uid = credentials.uid();
    if !uids.contains(&uid) {
        tracing::warn!(admin.uid = uid, "administrative connection refused");
        metrics::counter!("taskpass_admin_refused_total").increment(1);
        return;
    }
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Operator { uid });
        let router = router.clone();
        async move {
            match router.oneshot(request.map(Body::new)).await {
                Ok(response) => Ok::<_, Infallible>(response),
                Err(never) => match never {},
            }
        }
    });
    let builder = Builder::new(TokioExecutor::new()).http2_only();
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        _ = connection.as_mut() => return,
        () = shutdown.cancelled() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(DRAIN_DEADLINE, connection).await;
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
            "another broker listens on it",
        )),
        Err(_) => fs::remove_file(path),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// The preface of HTTP/2 and an empty SETTINGS frame (RFC 9113, section 3.4).
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

    /// What the socket says first to this process, if these users are listed.
    async fn first_byte(uids: Vec<u32>) -> io::Result<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let listener = AdminListener::bind(&path, uids).unwrap();
        let shutdown = CancellationToken::new();
        let serving = listener.serve(Router::new(), shutdown.clone());
        let asking = async {
            let mut stream = UnixStream::connect(&path).await?;
            let _ = stream.write_all(PREFACE).await;
            let answer = stream.read_u8().await;
            drop(stream);
            shutdown.cancel();
            answer
        };
        futures_util::future::join(serving, asking).await.1
    }

    #[tokio::test]
    async fn a_user_who_is_not_listed_is_cut_off_before_a_word_is_said() {
        let own = rustix::process::geteuid().as_raw();
        assert!(first_byte(vec![own]).await.is_ok());
        for uids in [vec![], vec![own + 1]] {
            assert!(first_byte(uids).await.is_err());
        }
    }
}
