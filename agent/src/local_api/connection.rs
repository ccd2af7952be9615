//! A connection of a local caller: served until it ends, or parked between two requests.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1::{self, Builder};
use hyper::service::HttpService;
use hyper_util::rt::TokioIo;
use taskpass_proto::ids::JobId;
use taskpass_proto::v1;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::activity::Activity;
use super::counted::Counted;
use super::stream::{Gated, LocalStream};
use crate::callers::Peer;
use crate::job::messages::{Close, Jobs};

/// Answers under way when a connection is to end have this long.
const DRAIN: Duration = Duration::from_secs(1);
/// Answers under way when the agent is upgraded have this long.
const PARKING: Duration = Duration::from_secs(5);
/// The same, on a connection that jobs are tied to: longer than any answer takes while the broker is away.
const PARKING_WITH_JOBS: Duration = Duration::from_secs(15);

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

/// A connection between two requests.
#[derive(Debug)]
pub struct Parked {
    /// The connection.
    pub stream: LocalStream,
    /// Who is at the other end.
    pub peer: Peer,
    /// Jobs that end when it closes.
    pub tied: Vec<JobId>,
}

/// How serving ends.
#[derive(Debug, Clone, Default)]
pub struct Halt {
    /// For good: connections are closed, and with them the jobs that are tied to them.
    pub stop: CancellationToken,
    /// For somebody else to go on: connections are parked.
    pub leave: CancellationToken,
}

/// Why a connection is not served any longer.
enum End {
    Closed,
    Refused,
    Left,
}

impl Connection {
    /// Ties a job to this connection, which may stay idle from now on.
    pub fn close_with_it(&self, job: JobId) {
        self.activity.anchor();
        self.lock().push(job);
    }

    fn take_tied(&self) -> Vec<JobId> {
        std::mem::take(&mut *self.lock())
    }

    /// Waits until nothing is under way after `leave`; says whether it came to that in time.
    async fn quiet(&self, leave: &CancellationToken) -> bool {
        leave.cancelled().await;
        let patience = if self.lock().is_empty() {
            PARKING
        } else {
            PARKING_WITH_JOBS
        };
        timeout(patience, self.activity.quiet()).await.is_ok()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<JobId>> {
        self.tied.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves a connection until it ends; gives it back if it was left between two requests.
pub(super) async fn serve(
    connection: Parked,
    router: Router,
    jobs: &Jobs,
    halt: Halt,
) -> Option<Parked> {
    let Parked { stream, peer, tied } = connection;
    let activity = Activity::default();
    if !tied.is_empty() {
        activity.anchor();
    }
    let connection = Arc::new(Connection {
        peer,
        activity: activity.clone(),
        tied: Mutex::new(tied),
    });
    let of_requests = Arc::clone(&connection);
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        let under_way = of_requests.activity.begin();
        request.extensions_mut().insert(Arc::clone(&of_requests));
        let router = router.clone();
        Box::pin(async move {
            match router.oneshot(request.map(Body::new)).await {
                Ok(answer) => Ok::<_, Infallible>(answer.map(|body| Counted::new(body, under_way))),
                Err(never) => match never {},
            }
        })
    });
    let mut builder = Builder::new();
    // This one also counts while nothing is asked, and would end jobs that are tied to the connection:
    // `Activity` says when it is idle for too long.
    builder.header_read_timeout(None);
    let io = Gated {
        stream,
        leave: halt.leave.clone(),
        activity: activity.clone(),
    };
    let mut served = builder.serve_connection(TokioIo::new(io), service);
    let end = tokio::select! {
        _ = &mut served => End::Closed,
        () = activity.idle() => End::Refused,
        () = halt.stop.cancelled() => End::Refused,
        quiet = connection.quiet(&halt.leave) => if quiet { End::Left } else { End::Refused },
    };
    match end {
        End::Closed => {}
        End::Refused => {
            Pin::new(&mut served).graceful_shutdown();
            let _ = timeout(DRAIN, served).await;
        }
        End::Left => {
            return Some(Parked {
                stream: park(served).await,
                peer: connection.peer.clone(),
                tied: connection.take_tied(),
            });
        }
    }
    close_tied(connection.take_tied(), jobs).await;
    None
}

/// Closes the jobs of a connection that is no more.
async fn close_tied(tied: Vec<JobId>, jobs: &Jobs) {
    for job in tied {
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

/// Takes the stream out of a connection on which nothing is under way.
async fn park<S>(mut served: http1::Connection<TokioIo<Gated>, S>) -> LocalStream
where
    S: HttpService<Incoming, ResBody = Counted, Error = Infallible> + Unpin,
    S::Future: Unpin,
{
    // Between two requests this ends it at once; what was answered last is flushed first.
    Pin::new(&mut served).graceful_shutdown();
    let flushed = poll_fn(|context| served.poll_without_shutdown(context));
    let _ = timeout(DRAIN, flushed).await;
    let parts = served.into_parts();
    parts.io.into_inner().stream.put_back(parts.read_buf)
}
