//! Ends the jobs that a change of policy has taken the ground from, where the installation wants that.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use taskpass_proto::ids::JobId;

use super::Operations;
use crate::domain::cause::Cause;
use crate::domain::policy::{Policy, PolicyHash};
use crate::domain::standing::{self, Withdrawn};
use crate::ports::store::StoreError;
use crate::ports::store::jobs::OpenJobsOf;

/// How many jobs are read at once.
const PAGE: usize = 256;

/// How often [`Operations::end_withdrawn`] is called.
pub const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Whether open jobs are still to be held against the policy in force.
#[derive(Debug, Default)]
pub struct PolicyChange {
    due: AtomicBool,
}

impl PolicyChange {
    /// Another policy is in force.
    fn happened(&self) {
        self.due.store(true, Ordering::Release);
    }

    /// Something was committed that was decided on a snapshot. If another one came into force meanwhile, the
    /// look that its coming caused may have missed this, so another is due.
    fn committed(&self, decided_on: PolicyHash, in_force: PolicyHash) {
        if decided_on != in_force {
            self.happened();
        }
    }

    fn take(&self) -> bool {
        self.due.swap(false, Ordering::AcqRel)
    }
}

impl Operations {
    /// Holds every open job against the policy in force, if that has changed since the last time.
    ///
    /// A job ends when it would not get again today what it holds, by the rule that its next renewal would
    /// be decided by. After a failure of the store the next look begins anew.
    pub async fn end_withdrawn(&self) -> Result<u64, StoreError> {
        if !self.policy_change.take() {
            return Ok(0);
        }
        let ended = self.hold_against_policy().await;
        match &ended {
            Ok(0) => {}
            Ok(jobs) => tracing::warn!(jobs, "jobs ended, for policy grants them no longer"),
            Err(_) => self.policy_change.happened(),
        }
        ended
    }

    /// Another policy is in force.
    pub(super) fn policy_has_changed(&self) {
        self.policy_change.happened();
    }

    /// Something was committed that was decided on this snapshot.
    pub(super) fn committed_under(&self, decided_on: PolicyHash) {
        if let Some(policy) = self.policy() {
            self.policy_change.committed(decided_on, policy.hash());
        }
    }

    async fn hold_against_policy(&self) -> Result<u64, StoreError> {
        let mut ended = 0;
        for subject in self.store.open_subjects()? {
            let of = OpenJobsOf::Subject(subject);
            let mut after = None;
            loop {
                // Looked at for each page, for yet another policy may have come.
                let Some(policy) = self.policy().filter(|p| p.ends_jobs_of_withdrawn_grants())
                else {
                    return Ok(ended);
                };
                let jobs = self.store.open_jobs(&of, after, PAGE)?;
                let Some(last) = jobs.last() else { break };
                after = Some(*last);
                ended += self.end_those_withdrawn(&policy, jobs).await?;
                tokio::task::yield_now().await;
            }
        }
        Ok(ended)
    }

    async fn end_those_withdrawn(
        &self,
        policy: &Policy,
        jobs: Vec<JobId>,
    ) -> Result<u64, StoreError> {
        let mut ends = Vec::new();
        for id in jobs {
            let Some(known) = self.store.job(id)? else {
                continue;
            };
            let Some(opening) = known.job.as_open() else {
                continue;
            };
            let Some(withdrawn) =
                standing::withdrawn(policy, &known.job, opening, &known.leases, self.now())
            else {
                continue;
            };
            let Withdrawn {
                credential,
                decision,
            } = withdrawn;
            let details = json!({ "credential": credential, "decision": decision });
            ends.push(self.end_by_broker(id, Cause::PolicyChanged, details));
        }
        let ended = ends.len() as u64;
        futures_util::future::join_all(ends).await;
        Ok(ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::policy::SourceFile;

    #[test]
    fn looks_again_when_something_was_decided_before_the_change_and_committed_after_it() {
        let [before, now] = ["before", "now"]
            .map(|text| SourceFile::new("policy.toml", text.as_bytes()))
            .map(|file| PolicyHash::of(&file, &[]));
        let change = PolicyChange::default();
        change.happened();
        assert!(change.take());
        change.committed(now, now);
        assert!(!change.take(), "decided under the policy in force");
        change.committed(before, now);
        assert!(change.take());
        assert!(!change.take(), "once");
    }
}
