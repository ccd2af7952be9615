//! How a job ends: here at once, and at the broker until it has confirmed it.

use std::sync::Arc;
use std::time::Duration;

use taskpass_proto::ids::JobId;
use taskpass_proto::v1;
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::life::Life;
use super::outcome::Outcome;
use super::{Keeper, REMEMBERED};
use crate::broker::Broker;
use crate::broker::session::Told;
use crate::job::messages::{Close, Closed, Closing, JobError, Reply};
use crate::job::view::{Stage, cause_word};
use crate::journal::Ending;
use crate::random::Random;
use crate::renewal::wait_after_failure;

impl Keeper {
    pub(super) fn close_for(&mut self, close: Close, reply: Reply<Closing>) {
        let Close {
            id,
            uid,
            cause,
            exit_status,
        } = close;
        let is_theirs = |owner: u32| uid.is_none_or(|uid| uid == owner);
        if self.jobs.get(&id).is_some_and(|job| is_theirs(job.uid())) {
            self.close(id, cause, exit_status);
            let (confirm, confirmed) = oneshot::channel();
            if let Some(Life::Closing { waiting, .. }) = self.jobs.get_mut(&id).map(|j| &mut j.life)
            {
                waiting.push(confirm);
            }
            let _ = reply.send(Ok(Closing {
                journalled: self.parts.journal.everything(),
                confirmed,
            }));
            return;
        }
        let before = self
            .ended
            .iter()
            .find(|(ended, owner, _)| *ended == id && is_theirs(*owner));
        let closing = before.map(|(_, _, cause)| Closing::over(*cause, &self.parts.journal));
        let _ = reply.send(closing.ok_or(JobError::Unknown));
    }

    /// Ends a job here at once, and tells the broker until it confirms.
    pub(super) fn close(&mut self, id: JobId, cause: v1::Cause, exit_status: Option<i32>) {
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
        // Whoever is answered waits for it; the broker is told at once, also while the disk hangs.
        drop(
            self.parts
                .journal
                .closing(id, Ending::new(cause, exit_status)),
        );
        let request = v1::CloseJobRequest {
            job_id: id.to_string(),
            holder: Some(self.parts.holder.clone()),
            cause: cause.into(),
            exit_status,
        };
        let (broker, random) = (Arc::clone(&self.parts.broker), self.parts.random.clone());
        self.under_way.spawn(async move {
            let cause = tell(broker, identity, request, random).await;
            Outcome::Closed { id, cause }
        });
    }

    /// Ends every job, and says so in `done` once the broker has confirmed all of them.
    pub(super) fn close_all(&mut self, done: oneshot::Sender<()>) {
        self.stopping = Some(done);
        let ids: Vec<JobId> = self.jobs.keys().copied().collect();
        for id in ids {
            self.close(id, v1::Cause::JobClosed, None);
        }
    }

    pub(super) fn hear(&mut self, told: Told) {
        let Some(job) = self.jobs.get(&told.job) else {
            return;
        };
        match (&job.life, told.cause) {
            // Our request may still be under way, or was when we said that the job is live.
            (Life::Opening(_), None) | (Life::Closing { .. }, _) => {}
            (Life::Open, None) if told.as_of <= job.since => {}
            (Life::Opening(_) | Life::Open, cause) => {
                let word = cause.map(cause_word).unwrap_or_default();
                tracing::warn!(job.id = %told.job, job.cause = word, "the broker ended the job");
                self.gone(told.job, cause);
            }
        }
    }

    /// A job is over, here and at the broker.
    pub(super) fn gone(&mut self, id: JobId, cause: Option<v1::Cause>) {
        let Some(mut job) = self.jobs.remove(&id) else {
            return;
        };
        job.stop_watching();
        self.announced(job.identity, |live| live.remove(id));
        self.parts.journal.gone(id);
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
                for waiting in waiting {
                    let _ = waiting.send(closed);
                }
            }
        }
        self.ended
            .push_back((id, uid, cause.unwrap_or(v1::Cause::JobClosed)));
        if self.ended.len() > REMEMBERED {
            self.ended.pop_front();
        }
    }
}

/// Closes a job: repeated until the broker confirms it, however long that takes. An end is never given up.
async fn tell(
    broker: Arc<dyn Broker>,
    identity: usize,
    request: v1::CloseJobRequest,
    random: Random,
) -> v1::Cause {
    let mut failures = 0;
    loop {
        let at_least = match broker.close_job(identity, request.clone()).await {
            Ok(closed) if closed.progress() == v1::EndProgress::Confirmed => return closed.cause(),
            Ok(_) => Duration::ZERO,
            Err(error) if error.is_job_over() => return v1::Cause::Unspecified,
            Err(error) => {
                tracing::warn!(
                    job.id = request.job_id, error.message = %error, "the end is not confirmed yet"
                );
                error.worth_repeating().unwrap_or_default()
            }
        };
        sleep(wait_after_failure(failures, random.fraction()).max(at_least)).await;
        failures = failures.saturating_add(1);
    }
}
