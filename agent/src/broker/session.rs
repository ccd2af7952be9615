//! The heartbeat of one identity: begins with every live job, beats, hears of ends, and moves to the next
//! connection before the old one is gone.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use taskpass_proto::ids::JobId;
use taskpass_proto::reason::Reason;
use taskpass_proto::time::from_wire;
use taskpass_proto::v1;
use taskpass_proto::v1::heartbeat_request::{Beat, Hello, Message as Up};
use taskpass_proto::v1::heartbeat_response::{JobEnded, Message as Down, Welcome};
use tokio::sync::mpsc;
use tokio::time::{Instant, interval, sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use super::CallError;
use super::grpc::{GrpcBroker, call_error, causes};
use super::live_jobs::LiveJobs;
use crate::random::Random;
use crate::renewal::wait_after_failure;

/// Messages of a stream that wait to be sent.
const WAITING: usize = 4;
/// A greeting must be answered by then.
const WELCOME_DEADLINE: Duration = Duration::from_secs(10);
/// What an interval that the broker does not name is.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);

/// The session of one identity.
pub struct Session {
    /// Which of the node's identities.
    pub identity: usize,
    /// The broker.
    pub broker: Arc<GrpcBroker>,
    /// The agent as a holder.
    pub holder: v1::Holder,
    /// What is announced.
    pub live: Arc<LiveJobs>,
    /// The machine's name.
    pub host: String,
    /// For jitter.
    pub random: Random,
    /// How it stands, for people.
    pub status: Arc<SessionStatus>,
    /// Hears of ended jobs.
    pub ended: mpsc::Sender<Told>,
}

/// What the broker told of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// The job.
    pub job: JobId,
    /// Why it ended; none when the broker does not know the job.
    pub cause: Option<v1::Cause>,
    /// What the broker knew of us when it said so: nothing of what was opened since.
    pub as_of: Instant,
}

/// How a session stands.
#[derive(Debug, Default)]
pub struct SessionStatus(Mutex<(bool, Option<String>)>);

/// A newer start of this agent has taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a newer start of this agent has taken over; if none was started, its state directory was copied: give each agent its own"
)]
pub struct Superseded;

struct Stream {
    up: mpsc::Sender<v1::HeartbeatRequest>,
    down: Streaming<v1::HeartbeatResponse>,
    interval: Duration,
}

enum StreamEnd {
    /// Open the next one first.
    Ageing(Box<Stream>),
    /// It broke.
    Broken(String),
}

impl SessionStatus {
    /// Whether the stream stands, and why not.
    pub fn read(&self) -> (bool, Option<String>) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, connected: bool, error: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (connected, error);
    }
}

impl Session {
    /// Beats until `shutdown`, or until a newer start of this agent takes over.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), Superseded> {
        tokio::select! {
            superseded = self.beat_for_ever() => Err(superseded),
            () = shutdown.cancelled() => Ok(()),
        }
    }

    async fn beat_for_ever(&self) -> Superseded {
        let mut failures = 0;
        let mut old: Option<Box<Stream>> = None;
        loop {
            let error = match self.begin(old.is_some()).await {
                Ok(stream) => {
                    // Only now: there is never a moment without a stream.
                    drop(old.take());
                    failures = 0;
                    self.status.set(true, None);
                    match self.keep(stream).await {
                        StreamEnd::Ageing(stream) => {
                            old = Some(stream);
                            continue;
                        }
                        StreamEnd::Broken(error) => error,
                    }
                }
                Err(CallError::Refused(refusal)) if refusal.reason == Reason::Superseded => {
                    return Superseded;
                }
                Err(error) => error.to_string(),
            };
            self.status.set(false, Some(error.clone()));
            tracing::warn!(
                error.message = error,
                session.identity = self.identity,
                "no heartbeat"
            );
            sleep(wait_after_failure(failures, self.random.fraction())).await;
            failures = failures.saturating_add(1);
        }
    }

    /// Opens a stream and greets.
    async fn begin(&self, on_next_connection: bool) -> Result<Stream, CallError> {
        let mut client = if on_next_connection {
            self.broker.reconnect(self.identity).await?
        } else {
            self.broker.client(self.identity)?
        };
        let (up, requests) = mpsc::channel(WAITING);
        let greeted_at = Instant::now();
        let live_jobs = self
            .live
            .greeting()
            .iter()
            .map(ToString::to_string)
            .collect();
        let hello = Hello {
            holder: Some(self.holder.clone()),
            live_jobs,
            host: self.host.clone(),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let hello = v1::HeartbeatRequest {
            message: Some(Up::Hello(hello)),
        };
        up.try_send(hello)
            .map_err(|_| unanswered("the stream is full"))?;
        let welcome = async {
            let mut down = client
                .heartbeat(ReceiverStream::new(requests))
                .await?
                .into_inner();
            let first = down.message().await?;
            Ok::<_, Status>((first, down))
        };
        let (first, down) = timeout(WELCOME_DEADLINE, welcome)
            .await
            .map_err(|_| unanswered("no welcome in time"))?
            .map_err(|status| call_error(&status))?;
        let Some(Down::Welcome(welcome)) = first.and_then(|first| first.message) else {
            return Err(unanswered("the broker did not answer the greeting"));
        };
        let interval = self.welcomed(welcome, greeted_at).await;
        Ok(Stream { up, down, interval })
    }

    async fn welcomed(&self, welcome: Welcome, greeted_at: Instant) -> Duration {
        for gone in &welcome.gone {
            self.tell(gone, greeted_at).await;
        }
        let interval = welcome.interval.as_ref().and_then(from_wire);
        interval
            .filter(|interval| !interval.is_zero())
            .unwrap_or(DEFAULT_INTERVAL)
    }

    async fn keep(&self, mut stream: Stream) -> StreamEnd {
        let mut ticks = interval(stream.interval);
        ticks.tick().await;
        loop {
            tokio::select! {
                _ = ticks.tick() => {
                    let (opened, ended) = self.live.take_changes();
                    let ids = |ids: Vec<JobId>| ids.iter().map(ToString::to_string).collect();
                    let beat = Beat { opened: ids(opened), ended: ids(ended) };
                    let beat = v1::HeartbeatRequest { message: Some(Up::Beat(beat)) };
                    if stream.up.try_send(beat).is_err() {
                        return StreamEnd::Broken("the broker takes no beats".into());
                    }
                }
                answer = stream.down.message() => match answer {
                    Ok(Some(answer)) => match answer.message {
                        Some(Down::JobEnded(ended)) => self.tell(&ended, Instant::now()).await,
                        Some(Down::Reconnect(_)) => return StreamEnd::Ageing(Box::new(stream)),
                        Some(Down::Ack(_) | Down::Welcome(_)) | None => {}
                    },
                    Ok(None) => return StreamEnd::Broken("the broker ended the stream".into()),
                    Err(status) => return StreamEnd::Broken(causes(&status)),
                },
            }
        }
    }

    async fn tell(&self, ended: &JobEnded, as_of: Instant) {
        let Ok(job) = ended.job_id.parse() else {
            return;
        };
        let cause = Some(ended.cause()).filter(|cause| *cause != v1::Cause::Unspecified);
        let _ = self.ended.send(Told { job, cause, as_of }).await;
    }
}

fn unanswered(why: &str) -> CallError {
    CallError::Unanswered(why.to_owned())
}
