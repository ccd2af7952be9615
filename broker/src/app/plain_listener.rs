//! A port for plain HTTP: discovery, health, metrics, the audit log. Nobody is known here, so nobody may hold
//! anything for long.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// Connections that are open at once.
const MAX_CONNECTIONS: usize = 512;
/// A connection lives this long at most, whatever is or is not said on it.
const MAX_AGE: Duration = Duration::from_secs(60);
/// Headers of HTTP/1.1 requests must be there by then.
const HEADER_DEADLINE: Duration = Duration::from_secs(10);
/// Answers under way when a connection ends have this long.
const DRAIN_DEADLINE: Duration = Duration::from_secs(5);
/// Wait this long before accepting again when the system has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves plain HTTP until `shutdown`, and then for as long as a drain may take, whoever is connected.
pub(super) async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) {
    let connections = TaskTracker::new();
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
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
        // Without a place it is closed at once; the next one may find one.
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            continue;
        };
        let (router, shutdown) = (router.clone(), shutdown.clone());
        connections.spawn(async move {
            connection(stream, router, shutdown).await;
            drop(place);
        });
    }
    connections.close();
    connections.wait().await;
}

async fn connection(stream: TcpStream, router: Router, shutdown: CancellationToken) {
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let router = router.clone();
        async move {
            match router.oneshot(request.map(Body::new)).await {
                Ok(response) => Ok::<_, Infallible>(response),
                Err(never) => match never {},
            }
        }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http2().timer(TokioTimer::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_DEADLINE);
    let mut served = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        _ = served.as_mut() => return,
        () = sleep(MAX_AGE) => {}
        () = shutdown.cancelled() => {}
    }
    served.as_mut().graceful_shutdown();
    let _ = timeout(DRAIN_DEADLINE, served).await;
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::task::JoinHandle;

    use super::*;

    async fn listener() -> (SocketAddr, CancellationToken, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        // More than any buffer between the two holds.
        let router = Router::new().route("/long", get(async || "x".repeat(64 << 20)));
        #[allow(clippy::disallowed_methods, reason = "the test waits for its end")]
        let served = tokio::spawn(serve(listener, router, shutdown.clone()));
        (address, shutdown, served)
    }

    /// A client that has said so much, and then neither reads nor writes.
    async fn stuck_after(address: SocketAddr, said: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        stream
    }

    #[tokio::test]
    async fn no_client_that_is_silent_or_does_not_read_holds_up_a_shutdown() {
        let (address, shutdown, served) = listener().await;
        let _silent = stuck_after(address, "").await;
        let _half = stuck_after(address, "GET /long HTTP/1.1\r\nHost: a").await;
        let _half_preface = stuck_after(address, "PRI * HTTP/2.0\r\n").await;
        let mut does_not_read = stuck_after(address, "GET /long HTTP/1.1\r\nHost: a\r\n\r\n").await;
        does_not_read.read_u8().await.unwrap();
        shutdown.cancel();
        tokio::time::pause();
        served.await.unwrap();
    }

    #[tokio::test]
    async fn nobody_holds_a_connection_for_good() {
        let (address, _, _served) = listener().await;
        for said in ["", "GET /long HTTP/1.1\r\nHost: a", "PRI * HTTP/2.0\r\n"] {
            let mut stuck = stuck_after(address, said).await;
            tokio::time::pause();
            let mut rest = Vec::new();
            // An answer or none, but an end; time goes on by itself while everybody waits.
            let _ = stuck.read_to_end(&mut rest).await;
            tokio::time::resume();
        }
    }
}
