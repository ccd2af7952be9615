//! The one task that owns every job of this node. Others send it messages; calls to the broker run beside
//! it and come back as messages.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use taskpass_proto::ids::JobId;
use taskpass_proto::reason::Reason;
use taskpass_proto::time::{from_wire, to_wire};
use taskpass_proto::v1;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval};

use super::held::Held;
use super::messages::{Anchor, Close, Closed, JobError, Jobs, Message, Reply, Wanted};
use super::opening::{self, NotOpened};
use super::view::{JobView, Stage};
use crate::broker::live_jobs::LiveJobs;
use crate::broker::session::Told;
use crate::broker::{Broker, CallError};
use crate::callers::Peer;
use crate::clock::{Clock, Instant};
use crate::journal::{Ending, Journal, Remembered};
use crate::random::Random;
use crate::watch::process::Process;

/// How often renewals and ends are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Messages that may wait.
const WAITING: usize = 1024;
/// Ended jobs that are remembered, so that closing one again is answered as the first time.
const REMEMBERED: usize = 1024;

/// What the keeper is made of.
pub struct Parts {
    /// The broker.
    pub broker: Arc<dyn Broker>,
    /// The agent as a holder.
    pub holder: v1::Holder,
    /// The SPIFFE ID of each identity, and what its session announces.
    pub identities: Vec<(String, Arc<LiveJobs>)>,
    /// What may exist at the broker.
    pub journal: Journal,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Random,
    /// The machine's name.
    pub host: String,
    /// Live jobs of one local user.
    pub max_jobs_per_uid: usize,
}

/// Owns the jobs.
pub struct Keeper {
    parts: Parts,
    jobs: HashMap<JobId, Job>,
    ended: VecDeque<(JobId, u32, v1::Cause)>,
    messages: mpsc::Receiver<Message>,
    told: mpsc::Receiver<Told>,
    /// Calls and watches under way; each ends in an outcome.
    under_way: JoinSet<Outcome>,
    stopping: Option<oneshot::Sender<()>>,
}

struct Job {
    identity: usize,
    view: watch::Sender<JobView>,
    life: Life,
    /// When it came to its place in life: what the broker said before that is of another time.
    since: tokio::time::Instant,
    watches: Vec<AbortHandle>,
}

/// Where a job is, with those who wait for it.
enum Life {
    Opening(Reply<JobView>),
    Open,
    Closing {
        cause: v1::Cause,
        waiting: Vec<Reply<Closed>>,
    },
}

/// What came of something under way.
enum Outcome {
    Opened {
        id: JobId,
        asked_at: Instant,
        result: Result<v1::OpenJobResponse, NotOpened>,
    },
    Issued {
        id: JobId,
        asked_at: Instant,
        result: Result<v1::IssueResponse, CallError>,
        reply: Reply<JobView>,
    },
    Renewed {
        id: JobId,
        lease: String,
        asked_at: Instant,
        result: Result<v1::RenewResponse, CallError>,
    },
    Exited {
        id: JobId,
    },
    Closed {
        id: JobId,
        cause: v1::Cause,
    },
}

impl Keeper {
    /// Takes up what the journal remembers: the same processes go on, everything else is closed.
    pub fn new(
        parts: Parts,
        remembered: BTreeMap<JobId, Remembered>,
        told: mpsc::Receiver<Told>,
    ) -> (Self, Jobs) {
        let (keeper, messages) = mpsc::channel(WAITING);
        let mut this = Self {
            parts,
            jobs: HashMap::new(),
            ended: VecDeque::new(),
            messages,
            told,
            under_way: JoinSet::new(),
            stopping: None,
        };
        for (id, record) in remembered {
            this.take_up(id, &record);
        }
        (this, Jobs { keeper })
    }

    /// Runs until nobody can ask any more, or until everything is closed after a stop.
    pub async fn run(mut self) {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = self.messages.recv() => match message {
                    Some(message) => self.take(message),
                    None => return,
                },
                Some(told) = self.told.recv() => self.hear(told),
                Some(outcome) = self.under_way.join_next() => {
                    if let Ok(outcome) = outcome {
                        self.finish(outcome);
                    }
                }
                _ = looks.tick() => self.look(),
            }
            if self.jobs.is_empty()
                && let Some(done) = self.stopping.take()
            {
                let _ = done.send(());
                return;
            }
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Open {
                peer,
                identity,
                wanted,
                reply,
            } => {
                self.open(&peer, identity, wanted, reply);
            }
            Message::Issue {
                id,
                uid,
                credentials,
                reply,
            } => {
                self.issue(id, uid, credentials, reply);
            }
            Message::RenewNow { id, uid, reply } => {
                let now = self.parts.clock.since_boot();
                let renew = |held: &mut Held| held.renew_at = now;
                let found = self.open_job(id, uid).map(|job| {
                    job.view
                        .send_modify(|view| view.credentials.iter_mut().for_each(renew));
                });
                let _ = reply.send(found);
                self.look();
            }
            Message::Watch { id, uid, reply } => {
                let found = self.jobs.get(&id).filter(|job| job.uid() == uid);
                let _ = reply.send(found.map(|j| j.view.subscribe()).ok_or(JobError::Unknown));
            }
            Message::List { uid, reply } => {
                let of_user = self.jobs.values().filter(|job| job.uid() == uid);
                let _ = reply.send(of_user.map(|job| job.view.borrow().clone()).collect());
            }
            Message::Count { reply } => drop(reply.send(self.jobs.len())),
            Message::AddProcess {
                id,
                uid,
                process,
                reply,
            } => {
                let found = self.open_job(id, uid).map(drop);
                if found.is_ok() {
                    if let Err(error) = self.parts.journal.process(id, process.started()) {
                        tracing::error!(%error, job.id = %id, "the journal cannot be written");
                    }
                    self.watch(id, process);
                }
                let _ = reply.send(found);
            }
            Message::Close { close, reply } => self.close_for(close, reply),
            Message::CloseAll { done } => {
                self.stopping = Some(done);
                let ids: Vec<JobId> = self.jobs.keys().copied().collect();
                for id in ids {
                    self.close(id, v1::Cause::JobClosed, None);
                }
            }
        }
    }

    fn open(&mut self, peer: &Peer, identity: usize, wanted: Wanted, reply: Reply<JobView>) {
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
        // INVARIANT: journalled before the broker is asked; a crash from here on cannot lose it.
        if let Err(error) = self.parts.journal.opening(id, record) {
            return drop(reply.send(Err(JobError::Journal(error.to_string()))));
        }
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
            let result = opening::open(broker, identity, request, random).await;
            Outcome::Opened {
                id,
                asked_at,
                result,
            }
        });
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

    fn issue(
        &mut self,
        id: JobId,
        uid: u32,
        credentials: Vec<v1::CredentialRequest>,
        reply: Reply<JobView>,
    ) {
        let identity = match self.open_job(id, uid) {
            Ok(job) => job.identity,
            Err(error) => return drop(reply.send(Err(error))),
        };
        let holder = Some(self.parts.holder.clone());
        let request = v1::IssueRequest {
            job_id: id.to_string(),
            holder,
            credentials,
        };
        let broker = Arc::clone(&self.parts.broker);
        let asked_at = self.parts.clock.since_boot();
        self.under_way.spawn(async move {
            let result = broker.issue(identity, request).await;
            Outcome::Issued {
                id,
                asked_at,
                result,
                reply,
            }
        });
    }

    fn close_for(&mut self, close: Close, reply: Reply<Closed>) {
        let Close {
            id,
            uid,
            cause,
            exit_status,
        } = close;
        let is_theirs = |owner: u32| uid.is_none_or(|uid| uid == owner);
        if self.jobs.get(&id).is_some_and(|job| is_theirs(job.uid())) {
            self.close(id, cause, exit_status);
            if let Some(Life::Closing { waiting, .. }) = self.jobs.get_mut(&id).map(|j| &mut j.life)
            {
                waiting.push(reply);
            }
            return;
        }
        let before = self
            .ended
            .iter()
            .find(|(ended, owner, _)| *ended == id && is_theirs(*owner));
        let closed = before.map(|(_, _, cause)| Closed {
            confirmed: true,
            cause: *cause,
        });
        let _ = reply.send(closed.ok_or(JobError::Unknown));
    }

    /// Ends a job here at once, and tells the broker until it confirms.
    fn close(&mut self, id: JobId, cause: v1::Cause, exit_status: Option<i32>) {
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        let life = Life::Closing {
            cause,
            waiting: vec![],
        };
        match std::mem::replace(&mut job.life, life) {
            Life::Closing { cause, waiting } => {
                job.life = Life::Closing { cause, waiting };
                return;
            }
            Life::Opening(reply) => drop(reply.send(Err(JobError::Unknown))),
            Life::Open => {}
        }
        job.stop_watching();
        job.view.send_modify(|view| {
            view.stage = Stage::Closing(cause);
            view.credentials.clear();
        });
        let identity = job.identity;
        self.announced(identity, |live| live.remove(id));
        if let Err(error) = self
            .parts
            .journal
            .closing(id, Ending::new(cause, exit_status))
        {
            tracing::error!(%error, job.id = %id, "the journal cannot be written");
        }
        let request = v1::CloseJobRequest {
            job_id: id.to_string(),
            holder: Some(self.parts.holder.clone()),
            cause: cause.into(),
            exit_status,
        };
        let (broker, random) = (Arc::clone(&self.parts.broker), self.parts.random.clone());
        self.under_way.spawn(async move {
            let cause = opening::close(broker, identity, request, random).await;
            Outcome::Closed { id, cause }
        });
    }

    fn finish(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Opened {
                id,
                asked_at,
                result,
            } => self.opened(id, asked_at, result),
            Outcome::Issued {
                id,
                asked_at,
                result,
                reply,
            } => {
                self.issued(id, asked_at, result, reply);
            }
            Outcome::Renewed {
                id,
                lease,
                asked_at,
                result,
            } => {
                self.renewed(id, &lease, asked_at, result);
            }
            Outcome::Exited { id } => self.close(id, v1::Cause::ProcessExited, None),
            Outcome::Closed { id, cause } => self.gone(id, Some(cause)),
        }
    }

    fn opened(
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
                    remember(&mut self.parts.journal, id, held);
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
                let _ = reply.send(Err(error.into()));
                if perhaps_open {
                    self.close(id, v1::Cause::JobClosed, None);
                } else {
                    self.gone(id, None);
                }
            }
        }
    }

    fn issued(
        &mut self,
        id: JobId,
        asked_at: Instant,
        result: Result<v1::IssueResponse, CallError>,
        reply: Reply<JobView>,
    ) {
        let open = self
            .jobs
            .get_mut(&id)
            .filter(|job| matches!(job.life, Life::Open));
        let answer = match (open, result) {
            (_, Err(error)) => Err(error.into()),
            (None, Ok(_)) => Err(JobError::Unknown),
            (Some(job), Ok(issued)) => {
                let random = &self.parts.random;
                let ends_at = job.view.borrow().ends_at;
                let added: Vec<Held> = issued
                    .credentials
                    .into_iter()
                    .filter_map(|issued| Held::new(issued, asked_at, ends_at, random.fraction()))
                    .collect();
                for held in &added {
                    remember(&mut self.parts.journal, id, held);
                }
                job.view
                    .send_modify(|view| view.credentials.extend(added.iter().cloned()));
                Ok(JobView {
                    credentials: added,
                    ..job.view.borrow().clone()
                })
            }
        };
        let _ = reply.send(answer);
    }

    fn renewed(
        &mut self,
        id: JobId,
        lease: &str,
        asked_at: Instant,
        result: Result<v1::RenewResponse, CallError>,
    ) {
        let now = self.parts.clock.since_boot();
        let spread = self.parts.random.fraction();
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        if !matches!(job.life, Life::Open) {
            return;
        }
        let mut over = false;
        job.view.send_modify(|view| {
            let ends_at = view.ends_at;
            let Some(held) = view.credentials.iter_mut().find(|held| held.lease == lease) else {
                return;
            };
            let renewed = result.map(|renewed| renewed.credential);
            match renewed {
                Ok(Some(issued)) => match Held::new(issued, asked_at, ends_at, spread) {
                    Some(next) => *held = next,
                    None => held.put_off(Duration::ZERO, now, spread),
                },
                Ok(None) => held.put_off(Duration::ZERO, now, spread),
                Err(error) => over = renewal_failed(held, &error, now, spread),
            }
        });
        let held = job
            .view
            .borrow()
            .credentials
            .iter()
            .find(|held| held.lease == lease)
            .cloned();
        if let Some(held) = held {
            remember(&mut self.parts.journal, id, &held);
        }
        if over {
            self.close(id, v1::Cause::JobClosed, None);
        }
    }

    fn hear(&mut self, told: Told) {
        let Some(job) = self.jobs.get(&told.job) else {
            return;
        };
        match (&job.life, told.cause) {
            // Our request may still be under way, or was when we said that the job is live.
            (Life::Opening(_), None) | (Life::Closing { .. }, _) => {}
            (Life::Open, None) if told.as_of <= job.since => {}
            (Life::Opening(_) | Life::Open, cause) => {
                let word = cause.map(super::view::cause_word).unwrap_or_default();
                tracing::warn!(job.id = %told.job, job.cause = word, "the broker ended the job");
                self.gone(told.job, cause);
            }
        }
    }

    /// Renews what is due, drops what is over.
    fn look(&mut self) {
        let now = self.parts.clock.since_boot();
        let mut renewals = Vec::new();
        let mut over = Vec::new();
        for (id, job) in &mut self.jobs {
            if !matches!(job.life, Life::Open) {
                continue;
            }
            if job.view.borrow().ends_at.is_some_and(|end| end <= now) {
                over.push(*id);
                continue;
            }
            job.view.send_if_modified(|view| {
                let mut changed = false;
                for held in &mut view.credentials {
                    changed |= held.drop_if_over(now);
                    if held.is_due(now) {
                        held.renewing = true;
                        renewals.push((*id, job.identity, held.lease.clone(), held.generation));
                    }
                }
                changed
            });
        }
        for id in over {
            self.close(id, v1::Cause::JobClosed, None);
        }
        for (id, identity, lease, generation) in renewals {
            let holder = Some(self.parts.holder.clone());
            let request = v1::RenewRequest {
                lease_id: lease.clone(),
                holder,
                generation,
            };
            let broker = Arc::clone(&self.parts.broker);
            self.under_way.spawn(async move {
                let result = broker.renew(identity, request).await;
                Outcome::Renewed {
                    id,
                    lease,
                    asked_at: now,
                    result,
                }
            });
        }
    }

    /// A job is over, here and at the broker.
    fn gone(&mut self, id: JobId, cause: Option<v1::Cause>) {
        let Some(mut job) = self.jobs.remove(&id) else {
            return;
        };
        job.stop_watching();
        self.announced(job.identity, |live| live.remove(id));
        if let Err(error) = self.parts.journal.gone(id) {
            tracing::error!(%error, job.id = %id, "the journal cannot be written");
        }
        let cause = cause.filter(|cause| *cause != v1::Cause::Unspecified);
        let uid = job.uid();
        job.view.send_modify(|view| {
            view.stage = Stage::Ended(cause);
            view.credentials.clear();
        });
        match job.life {
            Life::Opening(reply) => drop(reply.send(Err(JobError::Unknown))),
            Life::Open => {}
            Life::Closing {
                cause: asked,
                waiting,
            } => {
                let closed = Closed {
                    confirmed: true,
                    cause: cause.unwrap_or(asked),
                };
                for reply in waiting {
                    let _ = reply.send(Ok(closed));
                }
            }
        }
        self.ended
            .push_back((id, uid, cause.unwrap_or(v1::Cause::JobClosed)));
        if self.ended.len() > REMEMBERED {
            self.ended.pop_front();
        }
    }

    /// Goes on with a job from before a restart if its processes are the same; closes it otherwise.
    fn take_up(&mut self, id: JobId, record: &Remembered) {
        let identity = self
            .parts
            .identities
            .iter()
            .position(|(name, _)| *name == record.identity);
        let Some(identity) = identity else {
            // Nobody on this node can speak for it any more; its heartbeat ends it.
            tracing::warn!(job.id = %id, job.identity = record.identity, "a job's identity is gone");
            return drop(self.parts.journal.gone(id));
        };
        let now = self.parts.clock.since_boot();
        let leases = record.leases.iter();
        let held = leases
            .map(|(lease, n)| Held::from_before(lease.clone(), *n, now))
            .collect();
        let view = JobView {
            id,
            uid: record.uid,
            task: record.task.clone(),
            anchor: if record.processes.is_empty() {
                "ttl"
            } else {
                "process"
            },
            stage: Stage::Open,
            decision: String::new(),
            policy: String::new(),
            opened_at_millis: id.unix_millis(),
            ends_at: None,
            credentials: held,
        };
        self.insert(id, identity, view, Life::Open);
        match same_processes(record) {
            Ok(processes) => {
                tracing::info!(job.id = %id, "job taken up again");
                for process in processes {
                    self.watch(id, Arc::new(process));
                }
            }
            Err(ending) => self.close(id, ending.cause(), ending.exit_status),
        }
    }

    fn insert(&mut self, id: JobId, identity: usize, view: JobView, life: Life) {
        self.announced(identity, |live| live.insert(id));
        let view = watch::Sender::new(view);
        self.jobs.insert(
            id,
            Job {
                identity,
                view,
                life,
                since: tokio::time::Instant::now(),
                watches: vec![],
            },
        );
    }

    fn watch(&mut self, id: JobId, process: Arc<Process>) {
        let watch = self.under_way.spawn(async move {
            // A watch that fails ends the job: nobody would see the exit.
            let _ = process.exited().await;
            Outcome::Exited { id }
        });
        if let Some(job) = self.jobs.get_mut(&id) {
            job.watches.push(watch);
        }
    }

    /// An open job of a user.
    fn open_job(&mut self, id: JobId, uid: u32) -> Result<&mut Job, JobError> {
        let job = self.jobs.get_mut(&id).filter(|job| job.uid() == uid);
        job.filter(|job| matches!(job.life, Life::Open))
            .ok_or(JobError::Unknown)
    }

    fn announced(&self, identity: usize, change: impl FnOnce(&LiveJobs)) {
        if let Some((_, live)) = self.parts.identities.get(identity) {
            change(live);
        }
    }

    fn identity_name(&self, identity: usize) -> String {
        self.parts
            .identities
            .get(identity)
            .map(|(name, _)| name.clone())
            .unwrap_or_default()
    }
}

impl Job {
    fn uid(&self) -> u32 {
        self.view.borrow().uid
    }

    fn stop_watching(&mut self) {
        self.watches.drain(..).for_each(|watch| watch.abort());
    }
}

/// What a failed renewal means. Answers whether the job is over.
fn renewal_failed(held: &mut Held, error: &CallError, now: Instant, spread: f64) -> bool {
    if let Some(at_least) = error.worth_repeating() {
        held.put_off(at_least, now, spread);
        return false;
    }
    held.renewing = false;
    let CallError::Refused(refusal) = error else {
        return false;
    };
    match (refusal.reason, refusal.current_generation) {
        // The answer to an earlier renewal was lost: go on from where the broker is.
        (Reason::GenerationMismatch, Some(current)) => {
            held.generation = current;
            held.renew_at = now;
            false
        }
        _ if error.is_job_over() => true,
        // It was taken back, and is worth nothing any more.
        (Reason::LeaseEnded | Reason::LeaseUnknown, _) => {
            tracing::warn!(lease.id = held.lease, "the lease is over");
            held.token = None;
            held.refused = true;
            false
        }
        _ => {
            tracing::warn!(
                lease.id = held.lease,
                error.reason = refusal.reason.code(),
                "not renewed; the credential is served until its end"
            );
            held.refused = true;
            false
        }
    }
}

/// The processes that a job from before a restart is tied to, if it has any and they are still the same;
/// otherwise how it ends.
fn same_processes(record: &Remembered) -> Result<Vec<Process>, Ending> {
    if let Some(ending) = record.ending {
        return Err(ending);
    }
    if record.processes.is_empty() || record.is_of_connection {
        return Err(Ending::new(v1::Cause::JobClosed, None));
    }
    let processes = record.processes.iter().map(|it| Process::again(*it));
    let same = processes.collect::<Result<_, _>>();
    same.map_err(|_| Ending::new(v1::Cause::ProcessExited, None))
}

fn remember(journal: &mut Journal, job: JobId, held: &Held) {
    if let Err(error) = journal.lease(job, &held.lease, held.generation) {
        tracing::error!(%error, job.id = %job, "the journal cannot be written");
    }
}
