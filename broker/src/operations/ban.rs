//! Bans workloads and holders: refused on every call, and their jobs end.

use std::sync::Arc;

use serde_json::json;
use taskpass_identity::SpiffeId;
use taskpass_proto::ids::JobId;
use taskpass_proto::refusal::Refusal;

use super::Operations;
use super::gate::banned;
use crate::domain::audit::{Event, Record};
use crate::domain::ban::{Ban, BanTarget, Bans};
use crate::domain::cause::Cause;
use crate::domain::job::Owner;
use crate::ports::store::StoreError;
use crate::ports::store::jobs::OpenJobsOf;

const PAGE: usize = 256;

impl Operations {
    /// Bans, and ends the open jobs. Answers how many it ended.
    pub async fn ban(&self, ban: Ban) -> Result<u64, Refusal> {
        let record = Record {
            subject: workload(&ban.target),
            details: json!({
                "target": shown(&ban.target), "until": ban.until, "note": ban.note, "by": ban.by,
            }),
            ..Record::new(Event::WorkloadBanned, ban.since)
        };
        let target = ban.target.clone();
        self.store
            .ban(ban, record)
            .await
            .map_err(|e| self.store_failed(&e))?;
        self.reload_bans().map_err(|e| self.store_failed(&e))?;
        tracing::warn!(ban.target = shown(&target), "banned");
        self.end_jobs_of(&target)
            .await
            .map_err(|e| self.store_failed(&e))
    }

    /// Lifts a ban. Says whether there was one.
    pub async fn unban(&self, target: BanTarget, by: &str, note: &str) -> Result<bool, Refusal> {
        let record = Record {
            subject: workload(&target),
            details: json!({ "target": shown(&target), "note": note, "by": by }),
            ..Record::new(Event::WorkloadUnbanned, self.now())
        };
        let lifted = self
            .store
            .unban(target.clone(), record)
            .await
            .map_err(|e| self.store_failed(&e))?;
        self.reload_bans().map_err(|e| self.store_failed(&e))?;
        tracing::info!(
            ban.target = shown(&target),
            ban.lifted = lifted,
            "ban lifted"
        );
        Ok(lifted)
    }

    /// Ends a job of somebody who was banned after the gate had let its request in: whoever banned looked for
    /// open jobs when this one was not there yet.
    pub(super) async fn end_if_banned_meanwhile(
        &self,
        owner: &Owner,
        job: JobId,
    ) -> Result<(), Refusal> {
        let (bans, now) = (self.bans.load_full(), self.now());
        let ban = bans.on_workload(&owner.subject, now);
        if ban.or_else(|| bans.on_holder(owner.holder, now)).is_none() {
            return Ok(());
        }
        self.end_by_broker(job, Cause::WorkloadBanned, json!({}))
            .await;
        Err(banned())
    }

    /// The bans, those that ran out included.
    pub fn bans(&self) -> Arc<Bans> {
        self.bans.load_full()
    }

    fn reload_bans(&self) -> Result<(), StoreError> {
        self.bans.store(Arc::new(Bans::new(self.store.bans()?)));
        Ok(())
    }

    async fn end_jobs_of(&self, target: &BanTarget) -> Result<u64, StoreError> {
        let of = match target {
            BanTarget::Workload(id) => OpenJobsOf::Subject(id.clone()),
            BanTarget::Holder(hash) => OpenJobsOf::Holder(*hash),
        };
        let (mut after, mut ended) = (None, 0);
        loop {
            let jobs = self.store.open_jobs(&of, after, PAGE)?;
            let Some(last) = jobs.last() else {
                return Ok(ended);
            };
            after = Some(*last);
            ended += jobs.len() as u64;
            let ends = jobs
                .into_iter()
                .map(|job| self.end_by_broker(job, Cause::WorkloadBanned, json!({})));
            futures_util::future::join_all(ends).await;
        }
    }
}

fn workload(target: &BanTarget) -> Option<SpiffeId> {
    match target {
        BanTarget::Workload(id) => Some(id.clone()),
        BanTarget::Holder(_) => None,
    }
}

fn shown(target: &BanTarget) -> String {
    match target {
        BanTarget::Workload(id) => id.to_string(),
        BanTarget::Holder(hash) => hash.to_string(),
    }
}
