//! Jobs and leases.

use async_trait::async_trait;
use parking_lot::Mutex;
use std::cmp::Ordering;
use std::sync::Arc;
use taskpass_identity::SpiffeId;
use taskpass_proto::ids::{JobId, LeaseId};

use super::StoreError;
use crate::domain::cause::Cause;
use crate::domain::change::{Current, JobWithLeases, Saved, Step};
use crate::domain::job::Owner;
use crate::domain::lease::{LeaseState, STEP_BACK};
use crate::domain::time::UnixMillis;

/// Holds jobs and leases.
#[async_trait]
pub trait JobStore: Send + Sync {
    /// Runs a change inside a transaction and records its outcome, audit records included.
    ///
    /// The change may run more than once (when a transaction is repeated); only its last outcome is kept.
    async fn change(&self, job: JobId, change: Box<dyn JobChange>) -> Result<(), StoreError>;

    /// Reads a job and its leases.
    fn job(&self, job: JobId) -> Result<Option<JobWithLeases>, StoreError>;

    /// Reads what decides whether a token is active: the job's mark, the owner, and the lease's state.
    fn mark(&self, lease: LeaseId) -> Result<Option<Mark>, StoreError>;

    /// Ids of jobs that are due at `now`, the longest due first.
    fn due(&self, now: UnixMillis, limit: usize) -> Result<Vec<JobId>, StoreError>;

    /// When the next job is due.
    fn next_due(&self) -> Result<Option<UnixMillis>, StoreError>;

    /// Open jobs of a selection, in ascending order, after `after`.
    fn open_jobs(
        &self,
        of: &OpenJobsOf,
        after: Option<JobId>,
        limit: usize,
    ) -> Result<Vec<JobId>, StoreError>;

    /// Workloads that have open jobs.
    fn open_subjects(&self) -> Result<Vec<SpiffeId>, StoreError>;

    /// Owners of open jobs that are announced on a stream.
    fn announced_owners(&self) -> Result<Vec<Owner>, StoreError>;

    /// Lists jobs, newest first.
    fn list_jobs(&self, query: &JobQuery) -> Result<JobPage, StoreError>;

    /// How many jobs are open.
    fn count_open(&self) -> Result<u64, StoreError>;
}

/// A change of one job, erased so that a store can run any.
pub trait JobChange: Send {
    /// Looks at what is recorded now and says what to record instead.
    fn apply(&mut self, current: &Current<'_>) -> Saved;
}

/// What decides whether a token is active.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Why the job ended, if it did.
    pub job_ended: Option<Cause>,
    /// The lease's state.
    pub lease: LeaseState,
    /// The first generation whose tokens still count ([`Terms::counts_from`]).
    ///
    /// [`Terms::counts_from`]: crate::domain::lease::Terms::counts_from
    pub counts_from: Option<u32>,
}

impl Mark {
    /// Whether the token of a generation is active at `now`: the job is open, the lease is out, and the
    /// generation was issued, and not before the clock was set back.
    pub fn is_active(&self, generation: u32, now: UnixMillis) -> bool {
        let was_issued = match self.lease {
            LeaseState::Active(term) => match generation.cmp(&term.generation) {
                Ordering::Less => {
                    // INVARIANT: by a clock that has gone back behind the newest generation, the older ones are
                    // not judged at all; once there is a next one, it says which of them still count.
                    term.issued_at <= now.plus(STEP_BACK)
                        && self.counts_from.is_none_or(|from| from <= generation)
                }
                Ordering::Equal => true,
                Ordering::Greater => false,
            },
            LeaseState::Intent | LeaseState::Revoking { .. } | LeaseState::Ended { .. } => false,
        };
        self.job_ended.is_none() && was_issued
    }
}

/// A selection of open jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenJobsOf {
    /// Of one owner.
    Owner(Owner),
    /// Of one workload, whatever the holder.
    Subject(SpiffeId),
    /// Of one holder, whatever the workload.
    Holder(taskpass_proto::holder::HolderHash),
}

/// What to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobQuery {
    /// Of this workload only.
    pub subject: Option<String>,
    /// Of this task only.
    pub task: Option<String>,
    /// Open ones, or ended ones, only.
    pub open: Option<bool>,
    /// Before this id ([`JobPage::next`] of the page before).
    pub before: Option<JobId>,
    /// At most this many.
    pub limit: usize,
}

/// A page of jobs.
///
/// It ends at the limit, or when enough was looked through: it may be short, even empty, and still name where
/// to go on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobPage {
    /// The jobs.
    pub jobs: Vec<JobWithLeases>,
    /// Where to go on; none at the end.
    pub next: Option<JobId>,
}

/// Runs a change and hands its answer back once it is durable.
pub async fn transact<T, F>(store: &dyn JobStore, job: JobId, change: F) -> Result<T, StoreError>
where
    T: Send + 'static,
    F: FnMut(&Current<'_>) -> Step<T> + Send + 'static,
{
    let answer = Arc::new(Mutex::new(None));
    let change = Answering {
        change,
        answer: Arc::clone(&answer),
    };
    store.change(job, Box::new(change)).await?;
    let answer = answer.lock().take();
    answer.ok_or_else(|| StoreError {
        kind: super::StoreErrorKind::Other,
        message: "the change was committed and never run".to_owned(),
    })
}

/// Keeps a change's answer aside until its outcome is durable.
struct Answering<T, F> {
    change: F,
    answer: Arc<Mutex<Option<T>>>,
}

impl<T, F> JobChange for Answering<T, F>
where
    T: Send,
    F: FnMut(&Current<'_>) -> Step<T> + Send,
{
    fn apply(&mut self, current: &Current<'_>) -> Saved {
        let step = (self.change)(current);
        *self.answer.lock() = Some(step.answer);
        step.saved
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::lease::Term;

    #[test]
    fn a_token_is_active_while_its_job_is_open_and_its_lease_is_out() {
        let at = UnixMillis::new(0);
        let term = Term {
            generation: 2,
            issued_at: at,
            expires_at: at,
        };
        let (out, cause) = (LeaseState::Active(term), Cause::Operator);
        let revoking = LeaseState::Revoking {
            term: Some(term),
            cause,
        };
        let ended = LeaseState::Ended {
            term: Some(term),
            cause,
            at,
        };
        let cases = [
            (None, out, 1, true),
            (None, out, 2, true),
            (None, out, 3, false),
            (Some(cause), out, 2, false),
            (None, LeaseState::Intent, 1, false),
            (None, revoking, 2, false),
            (None, ended, 2, false),
        ];
        for (job_ended, lease, generation, active) in cases {
            let mark = Mark {
                job_ended,
                lease,
                counts_from: None,
            };
            assert_eq!(
                mark.is_active(generation, at),
                active,
                "{mark:?} {generation}"
            );
        }
    }

    #[test]
    fn generations_of_before_the_clock_was_set_back_do_not_count() {
        let at = |seconds: u64| UnixMillis::new(seconds * 1000);
        let mark = |counts_from| Mark {
            job_ended: None,
            lease: LeaseState::Active(Term {
                generation: 3,
                issued_at: at(100),
                expires_at: at(200),
            }),
            counts_from,
        };
        // The first that counts, the generation, the time, and whether it is active.
        let table = [
            (None, 2, 100, true),
            (None, 2, 95, true),
            (None, 2, 94, false),
            (None, 3, 94, true),
            (Some(2), 2, 100, true),
            (Some(3), 2, 100, false),
            (Some(3), 3, 100, true),
        ];
        for (from, generation, now, active) in table {
            let found = mark(from).is_active(generation, at(now));
            assert_eq!(found, active, "{from:?} {generation} {now}");
        }
    }
}
