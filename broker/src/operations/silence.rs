//! Ends the jobs of holders that fell silent, and jobs that their holders no longer announce.

use std::time::Duration;

use serde_json::json;
use taskpass_proto::ids::JobId;

use super::Operations;
use crate::domain::cause::Cause;
use crate::domain::clock_guard::ClockState;
use crate::domain::job::{Liveness, Owner};
use crate::domain::session::Comparison;
use crate::domain::time::UnixMillis;
use crate::ports::store::StoreError;
use crate::ports::store::jobs::OpenJobsOf;

/// How many jobs are read at once.
const PAGE: usize = 256;

/// How often [`Operations::end_silent`] is called.
pub const LOOK_EVERY: Duration = Duration::from_millis(250);

impl Operations {
    /// Ends what holders have been silent about for longer than the limit.
    pub async fn end_silent(&self) -> Result<(), StoreError> {
        let since_boot = self.clock.since_boot();
        if self.clock_state() != ClockState::Steady {
            // By a clock that stepped, every SVID may seem to have expired: holders that are alive are refused,
            // and seem silent. They are heard again when it is steady.
            self.sessions.lock().excuse(since_boot);
            return Ok(());
        }
        let (silent, comparisons) = {
            let mut sessions = self.sessions.lock();
            (
                sessions.take_silent(since_boot),
                sessions.take_comparisons(since_boot),
            )
        };
        for owner in silent {
            metrics::counter!("taskpass_heartbeats_lost_total").increment(1);
            tracing::warn!(holder.id = %owner.holder, holder.subject = %owner.subject, "heartbeat lost");
            if let Err(error) = self.end_announced(&owner, |_, _| true).await {
                // The next look tries again.
                self.sessions.lock().expect(owner, 0, Duration::ZERO);
                return Err(error);
            }
        }
        for Comparison {
            owner,
            announced,
            greeted_ago,
        } in comparisons
        {
            let greeted_at = self.now().minus(greeted_ago);
            let missing =
                |job: JobId, opened: UnixMillis| opened < greeted_at && !announced.contains(&job);
            self.end_announced(&owner, missing).await?;
        }
        Ok(())
    }

    /// Ends the open jobs of an owner that live by announcement and that `which` names.
    async fn end_announced(
        &self,
        owner: &Owner,
        which: impl Fn(JobId, UnixMillis) -> bool,
    ) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let jobs = self
                .store
                .open_jobs(&OpenJobsOf::Owner(owner.clone()), after, PAGE)?;
            let Some(last) = jobs.last() else {
                return Ok(());
            };
            after = Some(*last);
            let mut ends = Vec::new();
            for id in jobs {
                let known = self.store.job(id)?;
                let opening = known.as_ref().and_then(|known| known.job.as_open());
                let lost = opening.is_some_and(|opening| {
                    opening.liveness == Liveness::Heartbeat && which(id, opening.opened_at)
                });
                if lost {
                    ends.push(self.end_by_broker(id, Cause::HeartbeatLost, json!({})));
                }
            }
            futures_util::future::join_all(ends).await;
        }
    }
}
