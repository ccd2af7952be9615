//! What the clock does: ends jobs and leases that ran out, and forgets old ones.

use std::time::Duration;

use futures_util::future::join_all;

use super::Operations;
use super::notices::JobEnded;
use crate::crash_points::{self, Point};
use crate::domain::change::Current;
use crate::domain::change::expire::{Expired, expire};
use crate::domain::clock_guard::ClockState;
use crate::domain::time::UnixMillis;
use crate::ports::store::StoreError;
use crate::ports::store::jobs::transact;

/// How many due jobs are looked at together: enough to share commits, too few to hold up issuing.
const BATCH: usize = 64;

impl Operations {
    /// Does what is due now. Answers when the next job is due, if any.
    pub async fn expire_due(&self) -> Result<Option<UnixMillis>, StoreError> {
        while self.clock_state() == ClockState::Steady {
            let now = self.now();
            let due = self.store.due(now, BATCH)?;
            if due.is_empty() {
                break;
            }
            let retention = self.settings.retention;
            let changes = due.into_iter().map(|job| async move {
                let change = move |current: &Current<'_>| expire(current, now, retention);
                let expired = transact(self.store.as_ref(), job, change).await?;
                if let Expired::Job(owner, cause) = expired {
                    metrics::counter!("taskpass_jobs_ended_total", "cause" => cause.as_str())
                        .increment(1);
                    tracing::info!(job.id = %job, job.cause = cause.as_str(), "job ended");
                    self.notices.tell(&owner, JobEnded { job, cause });
                }
                Ok::<_, StoreError>(())
            });
            join_all(changes)
                .await
                .into_iter()
                .collect::<Result<(), _>>()?;
            crash_points::reach(Point::ExpiryBetween);
        }
        self.store.next_due()
    }
}

/// The longest time between two looks.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);
