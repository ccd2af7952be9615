//! The one task that owns every job of this node. Others send it messages; calls to the broker run beside
//! it and come back as messages.
//!
//! - [`life`]: a job, and where it is
//! - [`outcome`]: what comes back
//! - [`opening`], [`issuing`], [`renewal`], [`watching`], [`ending`]: what happens to a job, in this order
//! - [`adoption`]: what was there before, and what is handed to the next agent

mod adoption;
mod ending;
mod issuing;
mod life;
mod opening;
mod outcome;
mod renewal;
#[cfg(test)]
mod tests;
mod watching;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use taskpass_proto::ids::JobId;
use taskpass_proto::v1;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

pub use self::adoption::Found;
use self::life::{Job, Life};
use self::outcome::Outcome;
use super::messages::{JobError, Jobs, Message};
use super::view::JobView;
use crate::broker::Broker;
use crate::broker::live_jobs::LiveJobs;
use crate::broker::session::Told;
use crate::clock::Clock;
use crate::journal::Journal;
use crate::random::Random;

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

impl Keeper {
    /// Takes up what is found: after a restart the same processes go on and everything else is closed, after
    /// an upgrade everything goes on.
    pub fn new(parts: Parts, found: Found, told: mpsc::Receiver<Told>) -> (Self, Jobs) {
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
        this.adopt(found);
        (this, Jobs { keeper })
    }

    /// Runs until nobody can ask any more, or until everything is closed after a stop. On `rest` it gives itself
    /// back, and can be run again: meanwhile nothing happens to its jobs.
    pub async fn run(mut self, rest: CancellationToken) -> Option<Self> {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = self.messages.recv() => match message {
                    Some(message) => self.take(message),
                    None => return None,
                },
                Some(told) = self.told.recv() => self.hear(told),
                Some(outcome) = self.under_way.join_next() => {
                    if let Ok(outcome) = outcome {
                        self.finish(outcome);
                    }
                }
                _ = looks.tick() => self.look(),
                () = rest.cancelled() => return Some(self),
            }
            if self.jobs.is_empty()
                && let Some(done) = self.stopping.take()
            {
                let _ = done.send(());
                return None;
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
                let _ = reply.send(self.renew_now(id, uid));
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
                let _ = reply.send(self.add_process(id, uid, process));
            }
            Message::Close { close, reply } => self.close_for(close, reply),
            Message::CloseAll { done } => self.close_all(done),
        }
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
