//! The workload port: TCP, mutual TLS, then HTTP/2 (gRPC) or HTTP/1.1 on the same connection.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustls::ServerConfig;
use rustls_pki_types::UnixTime;
use taskpass_identity::tls::failure_code;
use taskpass_identity::{BundleSource, PeerSvid};
use taskpass_proto::limits::MAX_STREAMS_PER_CONNECTION;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::connection::{Connection, Shutdown};
use super::places::Places;
use crate::ports::clock::Clock;
use crate::ports::random::{self, Random};

/// A handshake that takes longer is given up.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(5);
/// Handshakes under way at once. Nobody is known yet, so they have places of their own.
const MAX_HANDSHAKES: usize = 1_000;
/// Connections that are open at once.
const MAX_CONNECTIONS: usize = 10_000;
/// Wait this long before accepting again when the system has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Headers of HTTP/1.1 requests must be there by then.
const HEADER_DEADLINE: Duration = Duration::from_secs(10);
/// A connection ends this long before the SVID of its peer, or a tenth of what that has left.
const BEFORE_EXPIRY: Duration = Duration::from_secs(5);
/// Calls under way when a connection ends have this long.
const DRAIN_DEADLINE: Duration = Duration::from_secs(15);

/// The workload port.
pub struct WorkloadListener {
    /// Bound already.
    pub listener: TcpListener,
    /// Mutual TLS.
    pub tls: Arc<ServerConfig>,
    /// What is served.
    pub router: Router,
    /// The longest life of a connection; each lives up to a tenth less, so that not all end together.
    pub max_age: Duration,
    /// Time, for the end of SVIDs.
    pub clock: Arc<dyn Clock>,
    /// Randomness, for the jitter.
    pub random: Arc<dyn Random>,
    /// Whom the broker trusts.
    pub bundles: Arc<dyn BundleSource>,
    /// Where the broker is in shutting down.
    pub shutdown: Shutdown,
}

impl WorkloadListener {
    /// Serves until the broker closes, and then until every connection has ended.
    pub async fn serve(self) {
        let this = Arc::new(self);
        let connections = TaskTracker::new();
        let handshakes = Arc::new(Semaphore::new(MAX_HANDSHAKES));
        let places = Arc::new(Places::new(MAX_CONNECTIONS));
        loop {
            let accepted = tokio::select! {
                accepted = this.listener.accept() => accepted,
                () = this.shutdown.closing.cancelled() => break,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "accept failed");
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Ok(handshake) = Arc::clone(&handshakes).try_acquire_owned() else {
                too_many();
                continue;
            };
            let (this, places) = (Arc::clone(&this), Arc::clone(&places));
            // Each handshake in a task of its own: a slow peer stalls nobody.
            connections.spawn(async move {
                let shaken = this.shake_hands(stream).await;
                drop(handshake);
                let Some((stream, peer)) = shaken else { return };
                let Some(_place) = Places::take(&places, peer.id()) else {
                    tracing::warn!(peer.id = %peer.id(), "too many connections");
                    return too_many();
                };
                this.serve_connection(stream, peer).await;
            });
        }
        connections.close();
        connections.wait().await;
    }

    async fn shake_hands(&self, stream: TcpStream) -> Option<(TlsStream<TcpStream>, PeerSvid)> {
        let _ = stream.set_nodelay(true);
        let acceptor = TlsAcceptor::from(Arc::clone(&self.tls));
        let stream = match timeout(HANDSHAKE_DEADLINE, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                refused(&error);
                return None;
            }
            Err(_) => {
                metrics::counter!("taskpass_handshakes_refused_total", "why" => "timeout")
                    .increment(1);
                tracing::info!("handshake refused: it took too long");
                return None;
            }
        };
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        match PeerSvid::verify(chain, &self.bundles.current(), self.unix_time()) {
            Ok(peer) => Some((stream, peer)),
            Err(error) => {
                // The verifier let it in a moment ago; the bundle has changed since.
                refused(&std::io::Error::other(error));
                None
            }
        }
    }

    async fn serve_connection(&self, stream: TlsStream<TcpStream>, peer: PeerSvid) {
        let ends_at = self.ends_at(&peer);
        let streams = TaskTracker::new();
        let connection = Arc::new(Connection::new(
            peer,
            ends_at.into_std(),
            self.shutdown.clone(),
            streams.clone(),
        ));
        let router = self.router.clone();
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Arc::clone(&connection));
            let router = router.clone();
            async move { Ok::<_, Infallible>(infallible(router.oneshot(request.map(Body::new)).await)) }
        });
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS_PER_CONNECTION)
            .keep_alive_interval(Some(Duration::from_secs(20)))
            .keep_alive_timeout(Duration::from_secs(10));
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_DEADLINE);
        let mut connection =
            std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
        tokio::select! {
            _ = connection.as_mut() => return,
            () = sleep_until(ends_at) => {}
            () = self.shutdown.closing.cancelled() => {}
        }
        // GOAWAY: calls under way finish, new ones go to the next connection. Streams end themselves.
        connection.as_mut().graceful_shutdown();
        let _ = timeout(DRAIN_DEADLINE, connection).await;
        streams.close();
        let _ = timeout(DRAIN_DEADLINE, streams.wait()).await;
    }

    fn unix_time(&self) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_millis(self.clock.now().as_millis()))
    }

    /// A little before the peer's SVID ends, so that nobody who has a newer one is refused for the older.
    fn ends_at(&self, peer: &PeerSvid) -> Instant {
        let svid_ends = Duration::from_secs(
            peer.expires_at()
                .as_secs()
                .saturating_sub(self.clock.now().as_seconds()),
        );
        let svid_ends = svid_ends.saturating_sub(BEFORE_EXPIRY.min(svid_ends / 10));
        let jitter = random::array::<1>(self.random.as_ref()).map_or(0, |[byte]| u32::from(byte));
        let age = self
            .max_age
            .saturating_sub(self.max_age / 10 * jitter / 256);
        Instant::now() + age.min(svid_ends)
    }
}

/// One log line and a counter saying why; the peer gets no more than a TLS alert.
fn refused(error: &std::io::Error) {
    let why = failure_code(error);
    metrics::counter!("taskpass_handshakes_refused_total", "why" => why).increment(1);
    tracing::info!(error.code = why, error.message = %error, "handshake refused");
}

fn too_many() {
    metrics::counter!("taskpass_handshakes_refused_total", "why" => "too_many").increment(1);
}

fn infallible<T>(result: Result<T, Infallible>) -> T {
    match result {
        Ok(value) => value,
        Err(never) => match never {},
    }
}
