//! How a job begins: journalled first, asked for, and open with its credentials.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use taskpass_proto::ids::JobId;
use taskpass_proto::time::{from_wire, to_wire};
use taskpass_proto::v1;
use tokio::time::sleep;

use super::Keeper;
use super::life::Life;
use super::outcome::Outcome;
use crate::broker::Broker;
use crate::callers::Peer;
use crate::clock::Instant;
use crate::job::held::Held;
use crate::job::messages::{Anchor, JobError, Reply, Wanted};
use crate::job::view::{JobView, Stage};
use crate::journal::{NotWritten, Remembered};
use crate::random::Random;
use crate::renewal::wait_after_failure;

/// How long a caller waits for a broker that is away.
const PATIENCE: Duration = Duration::from_secs(3);

/// A job that was not opened, as far as anybody knows.
#[derive(Debug)]
pub(super) struct NotOpened {
    /// Why the last try failed.
    pub(super) error: JobError,
    /// Whether the broker may have opened it all the same, in this try or an earlier one.
    pub(super) perhaps_open: bool,
}

impl Keeper {
    pub(super) fn open(
        &mut self,
        peer: &Peer,
        identity: usize,
        wanted: Wanted,
        reply: Reply<JobView>,
    ) {
        if self.stopping.is_some() {
            return drop(reply.send(Err(JobError::Stopping)));
        }
        let live = self
            .jobs
            .values()
            .filter(|job| job.uid() == peer.uid)
            .count();
        if live >= self.parts.max_jobs_per_uid {
            return drop(reply.send(Err(JobError::TooMany(live))));
        }
        let now_millis = self.parts.clock.unix_millis();
        let random = match self.parts.random.bytes() {
            Ok(random) => random,
            Err(error) => return drop(reply.send(Err(JobError::Journal(error.to_string())))),
        };
        let id = JobId::new(now_millis, random);
        let processes = match &wanted.anchor {
            Anchor::Process(process) => vec![process.started()],
            Anchor::Ttl | Anchor::Connection => vec![],
        };
        let record = Remembered {
            identity: self.identity_name(identity),
            uid: peer.uid,
            task: wanted.task.clone(),
            processes,
            is_of_connection: matches!(wanted.anchor, Anchor::Connection),
            leases: BTreeMap::new(),
            ending: None,
        };
        let journalled = self.parts.journal.opening(id, record);
        let view = JobView {
            id,
            uid: peer.uid,
            task: wanted.task.clone(),
            anchor: wanted.anchor.as_str(),
            stage: Stage::Opening,
            decision: String::new(),
            policy: String::new(),
            opened_at_millis: now_millis,
            ends_at: None,
            credentials: vec![],
        };
        let life = Life::Opening(reply);
        self.insert(id, identity, view, life);
        if let Anchor::Process(process) = &wanted.anchor {
            self.watch(id, Arc::clone(process));
        }
        let request = self.open_request(id, peer, wanted);
        let broker = Arc::clone(&self.parts.broker);
        let (random, asked_at) = (self.parts.random.clone(), self.parts.clock.since_boot());
        self.under_way.spawn(async move {
            // INVARIANT: journalled before the broker is asked; a crash from here on cannot lose it.
            let result = match journalled.wait().await {
                Ok(()) => ask(broker, identity, request, random).await,
                Err(error) => Err(error.into()),
            };
            Outcome::Opened {
                id,
                asked_at,
                result,
            }
        });
    }

    pub(super) fn opened(
        &mut self,
        id: JobId,
        asked_at: Instant,
        result: Result<v1::OpenJobResponse, NotOpened>,
    ) {
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        // Closed in the meantime: the close that is under way ends it, whatever was answered.
        if !matches!(job.life, Life::Opening(_)) {
            return;
        }
        let Life::Opening(reply) = std::mem::replace(&mut job.life, Life::Open) else {
            return;
        };
        job.since = tokio::time::Instant::now();
        match result {
            Ok(opened) => {
                let ends_in = opened
                    .lifetime
                    .and_then(|l| l.expires_in)
                    .as_ref()
                    .and_then(from_wire);
                let ends_at = ends_in.map(|ends_in| asked_at + ends_in);
                let random = &self.parts.random;
                let held = opened
                    .credentials
                    .into_iter()
                    .filter_map(|issued| Held::new(issued, asked_at, ends_at, random.fraction()));
                let held: Vec<Held> = held.collect();
                for held in &held {
                    held.remember(id, &self.parts.journal);
                }
                job.view.send_modify(|view| {
                    view.stage = Stage::Open;
                    view.decision = opened.decision_id;
                    view.policy = opened.policy;
                    view.ends_at = ends_at;
                    view.credentials = held;
                });
                let view = job.view.borrow().clone();
                tracing::info!(job.id = %id, job.task = view.task, "job opened");
                if reply.send(Ok(view)).is_err() {
                    // Whoever asked has gone away: nobody holds these credentials.
                    self.close(id, v1::Cause::JobClosed, None);
                }
            }
            Err(NotOpened {
                error,
                perhaps_open,
            }) => {
                let _ = reply.send(Err(error));
                if perhaps_open {
                    self.close(id, v1::Cause::JobClosed, None);
                } else {
                    self.gone(id, None);
                }
            }
        }
    }

    fn open_request(&self, id: JobId, peer: &Peer, wanted: Wanted) -> v1::OpenJobRequest {
        v1::OpenJobRequest {
            job_id: id.to_string(),
            holder: Some(self.parts.holder.clone()),
            task: wanted.task,
            parameters: wanted.parameters,
            credentials: wanted.credentials,
            liveness: v1::Liveness::Heartbeat.into(),
            anchor: wanted.anchor.to_wire().into(),
            max_duration: wanted.max_duration.map(to_wire),
            reported: Some(v1::ReportedCaller {
                host: self.parts.host.clone(),
                uid: peer.uid,
                gid: peer.gid,
                pid: peer.process.pid(),
                executable: peer
                    .executable
                    .chars()
                    .filter(|c| !c.is_control())
                    .take(200)
                    .collect(),
            }),
            subject_proof: None,
        }
    }
}

impl From<NotWritten> for NotOpened {
    fn from(error: NotWritten) -> Self {
        Self {
            error: JobError::Journal(error.to_string()),
            perhaps_open: false,
        }
    }
}

/// Asks again and again for a while: the id makes it one job.
async fn ask(
    broker: Arc<dyn Broker>,
    identity: usize,
    request: v1::OpenJobRequest,
    random: Random,
) -> Result<v1::OpenJobResponse, NotOpened> {
    let give_up = tokio::time::Instant::now() + PATIENCE;
    let (mut failures, mut perhaps_open) = (0, false);
    loop {
        let error = match broker.open_job(identity, request.clone()).await {
            Ok(opened) => return Ok(opened),
            Err(error) => error,
        };
        perhaps_open |= error.is_perhaps_done();
        let wait = error
            .worth_repeating()
            .map(|at_least| wait_after_failure(failures, random.fraction()).max(at_least));
        match wait.filter(|wait| tokio::time::Instant::now() + *wait < give_up) {
            Some(wait) => sleep(wait).await,
            None => {
                return Err(NotOpened {
                    error: error.into(),
                    perhaps_open,
                });
            }
        }
        failures += 1;
    }
}
