//! Ends a job: one durable mark, in effect at once.

use std::pin::pin;
use std::time::Duration;

use serde_json::{Value, json};
use taskpass_proto::ids::JobId;
use taskpass_proto::refusal::Refusal;
use tokio::time::timeout;

use super::Operations;
use super::gate::{Caller, HolderClaim};
use super::notices::JobEnded;
use crate::crash_points::{self, Point};
use crate::domain::cause::Cause;
use crate::domain::change::Current;
use crate::domain::change::end::{Authority, Ended, Ending, end};
use crate::domain::change::revoked::revoked;
use crate::domain::job::End;
use crate::ports::store::jobs::transact;

/// A holder's word that its job is over.
#[derive(Debug, Clone)]
pub struct CloseJob {
    /// The job.
    pub job: JobId,
    /// Who says so.
    pub holder: HolderClaim,
    /// [`Cause::JobClosed`] or [`Cause::ProcessExited`].
    pub cause: Cause,
    /// How the command ended, as reported.
    pub exit_status: Option<i32>,
}

/// How far an end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Durable, and done at every target.
    Confirmed(Cause),
    /// In effect as far as this broker can tell, and not durable yet. Ask again.
    Pending(Cause),
}

/// What an operator's word came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperatorEnd {
    /// The job is over, or will be.
    Known(Progress),
    /// There is no such job.
    Unknown,
}

impl Operations {
    /// Closes a job on its holder's word. Never refused for what the store can or cannot do.
    ///
    /// Somebody else's job is answered as an unknown one: as closed.
    pub async fn close_job(
        &self,
        caller: &Caller,
        request: &CloseJob,
    ) -> Result<Progress, Refusal> {
        let owner = self.owner(caller, &request.holder)?;
        let details = match request.exit_status {
            Some(status) => json!({ "reported_exit_status": status }),
            None => json!({}),
        };
        let ending = Ending {
            id: request.job,
            authority: Authority::Owner(owner),
            end: End {
                cause: request.cause,
                at: self.now(),
            },
            details,
        };
        Ok(match self.end(ending).await {
            (Progress::Pending(cause), _) => Progress::Pending(cause),
            (Progress::Confirmed(cause), _) => Progress::Confirmed(cause),
        })
    }

    /// Whether the job is the caller's, as far as can be told: while the store cannot be read, it is.
    ///
    /// Closing what one has is never refused for its number. Marking ids closed that were never opened is
    /// counted like any call that asks, for each leaves a row behind.
    pub fn holds(&self, caller: &Caller, request: &CloseJob) -> bool {
        let holder = request.holder.secret.hash();
        self.store.job(request.job).map_or(true, |known| {
            known.is_some_and(|known| {
                known.job.owner.subject == caller.subject && known.job.owner.holder == holder
            })
        })
    }

    /// Ends a job on the broker's own word.
    pub async fn end_by_broker(&self, job: JobId, cause: Cause, details: Value) -> OperatorEnd {
        let end = End {
            cause,
            at: self.now(),
        };
        let ending = Ending {
            id: job,
            authority: Authority::Broker,
            end,
            details,
        };
        match self.end(ending).await {
            (Progress::Confirmed(_), Some(Ended::Unknown)) => OperatorEnd::Unknown,
            (progress, _) => OperatorEnd::Known(progress),
        }
    }

    /// How many ends are in effect and not recorded yet.
    pub fn pending_ends(&self) -> usize {
        self.pending_ends.len()
    }

    /// Repeats the ends that the store did not take yet.
    pub async fn repeat_pending_ends(&self) {
        for ending in self.pending_ends.waiting() {
            crash_points::reach(Point::PendingEnd);
            self.end(ending).await;
        }
    }

    async fn end(&self, ending: Ending) -> (Progress, Option<Ended>) {
        let (job, cause) = (ending.id, ending.end.cause);
        let change = ending.clone();
        let recorded = transact(self.store.as_ref(), job, move |now| end(now, &change));
        let mut recorded = pin!(recorded);
        let in_time = timeout(PATIENCE, &mut recorded).await;
        let outcome = if let Ok(outcome) = in_time {
            outcome
        } else {
            // A disk that has become slow keeps nobody's token alive.
            self.keep_pending(ending.clone());
            if matches!(ending.authority, Authority::Owner(_)) {
                return (Progress::Pending(cause), None);
            }
            recorded.await
        };
        match outcome {
            Ok(ended) => {
                // A stranger's word leaves the owner's where it is.
                if ended != Ended::Foreign {
                    self.pending_ends.remove(job);
                }
                let first = match &ended {
                    Ended::Before(first) => first.cause,
                    Ended::Now(_) | Ended::Foreign | Ended::Unknown => cause,
                };
                self.announce_end(&ending, &ended);
                (Progress::Confirmed(first), Some(ended))
            }
            Err(error) => {
                self.store_failed(&error);
                self.keep_pending(ending);
                (Progress::Pending(cause), None)
            }
        }
    }

    /// Takes an end into effect in memory when it cannot be recorded, but only on its owner's word.
    fn keep_pending(&self, ending: Ending) {
        let known = self.store.job(ending.id).ok().flatten();
        let allowed = match &ending.authority {
            Authority::Broker => true,
            // When the job cannot be read either, introspection fails closed by itself, the stream of
            // revocations breaks off, and the holder repeats its word until it is confirmed.
            Authority::Owner(owner) => known
                .as_ref()
                .is_some_and(|known| known.job.owner == *owner),
        };
        if allowed {
            let as_it_will_be = Current {
                job: known.as_ref(),
                live_jobs: &|_, _| 0,
            };
            let saved = end(&as_it_will_be, &ending).saved;
            self.pending_ends
                .insert(ending, revoked(known.as_ref(), &saved));
        }
    }

    fn announce_end(&self, ending: &Ending, ended: &Ended) {
        let Ended::Now(owner) = ended else { return };
        let cause = ending.end.cause;
        metrics::counter!("taskpass_jobs_ended_total", "cause" => cause.as_str()).increment(1);
        tracing::info!(
            job.id = %ending.id, job.cause = cause.as_str(), job.subject = %owner.subject,
            "job ended"
        );
        if ending.authority == Authority::Broker {
            self.notices.tell(
                owner,
                JobEnded {
                    job: ending.id,
                    cause,
                },
            );
        }
    }
}

/// How long an end may take to be recorded before it is in effect all the same, and its holder is told `pending`.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often [`Operations::repeat_pending_ends`] is called while any is left.
pub const REPEAT_EVERY: Duration = Duration::from_millis(500);
