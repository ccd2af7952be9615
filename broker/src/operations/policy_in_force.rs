//! The policy in force, and how a new one takes its place.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use serde_json::json;
use taskpass_proto::reason::Reason;
use taskpass_proto::refusal::Refusal;

use super::Operations;
use crate::domain::audit::{Event, Record};
use crate::domain::policy::{Policy, SourceFile};
use crate::domain::time::UnixMillis;
use crate::ports::store::policies::KeptPolicy;
use crate::ports::store::{StoreError, StoreErrorKind};

/// The snapshot that decisions are made on.
#[derive(Default)]
pub struct PolicyInForce {
    current: ArcSwapOption<Policy>,
    status: Mutex<PolicyStatus>,
}

/// What operators are told of the policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyStatus {
    /// When the one in force was loaded.
    pub loaded_at: Option<UnixMillis>,
    /// Why the newest files are not in force, and since when.
    pub refused: Option<RefusedPolicy>,
}

/// Files that were not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedPolicy {
    /// Each finding with its place and what to do; or how the store failed.
    pub why: String,
    /// Whose fault it is.
    pub fault: Fault,
    /// When they were refused.
    pub at: UnixMillis,
}

/// What keeps files from being in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// They cannot be read, or are no policy: they wait for other ones.
    Files,
    /// The store could not keep them: they are tried again.
    Store(StoreErrorKind),
}

impl Operations {
    /// The policy in force.
    pub fn policy(&self) -> Option<Arc<Policy>> {
        self.policy.current.load_full()
    }

    /// What operators are told of it.
    pub fn policy_status(&self) -> PolicyStatus {
        self.policy.status.lock().clone()
    }

    /// Puts a policy in force, once its sources are kept. Says whether it is another one than before.
    pub async fn install_policy(&self, policy: impl Into<Arc<Policy>>) -> Result<bool, StoreError> {
        let policy = policy.into();
        let now = self.now();
        let hash = policy.hash().to_string();
        if self
            .policy()
            .is_some_and(|current| current.hash() == policy.hash())
        {
            // The names of files, which stand in explanations, are those of today.
            self.policy.current.store(Some(policy));
            self.policy_has_changed();
            self.policy.status.lock().refused = None;
            metrics::gauge!("taskpass_policy_refused").set(0);
            return Ok(false);
        }
        let kept = |file: &SourceFile| (file.name.to_string(), file.bytes.to_vec());
        let files: Vec<_> = policy.sources().iter().map(kept).collect();
        let installation = kept(policy.installation());
        let record = Record {
            policy: Some(hash.clone()),
            details: json!({ "files": files.iter().map(|(name, _)| name).collect::<Vec<_>>() }),
            ..Record::new(Event::PolicyLoaded, now)
        };
        let kept = KeptPolicy {
            hash: hash.clone(),
            files,
            installation: Some(installation),
            since: now,
        };
        self.store.keep_policy(kept, record).await?;
        let before = self.policy.current.swap(Some(policy));
        self.policy_has_changed();
        measure(before.as_deref(), &hash, now);
        *self.policy.status.lock() = PolicyStatus {
            loaded_at: Some(now),
            refused: None,
        };
        metrics::counter!("taskpass_policy_loads_total", "outcome" => "loaded").increment(1);
        tracing::info!(policy.hash = hash, "policy in force");
        Ok(true)
    }

    /// Keeps the policy in force, and remembers why another one was refused.
    pub async fn refuse_policy(&self, why: String) {
        let at = self.now();
        if !self.not_in_force(&why, Fault::Files, at) {
            return;
        }
        metrics::counter!("taskpass_policy_loads_total", "outcome" => "refused").increment(1);
        tracing::error!(
            policy.error = why,
            "policy refused; the one before stays in force"
        );
        let record = Record {
            details: json!({ "why": why }),
            ..Record::new(Event::PolicyRefused, at)
        };
        if let Err(error) = self.store.append(vec![record]).await {
            tracing::error!(%error, "the refusal of a policy was not recorded");
        }
    }

    /// Keeps the policy in force while the store cannot keep a good new one, which is tried again. Says so.
    ///
    /// There is no record of it: where it could be written, so could the policy.
    pub fn postpone_policy(&self, error: &StoreError) -> String {
        let why = format!(
            "{error}; the files are good, and it is tried again until the store keeps them"
        );
        if self.not_in_force(&why, Fault::Store(error.kind), self.now()) {
            metrics::counter!("taskpass_policy_loads_total", "outcome" => "not_kept").increment(1);
            tracing::error!(
                %error,
                "the store could not keep a new policy; the one before stays in force, and it is tried again"
            );
        }
        why
    }

    /// Remembers why the newest files are not in force. Says whether that is news.
    fn not_in_force(&self, why: &str, fault: Fault, at: UnixMillis) -> bool {
        let refused = &mut self.policy.status.lock().refused;
        if refused.as_ref().is_some_and(|known| known.why == why) {
            return false;
        }
        *refused = Some(RefusedPolicy {
            why: why.to_owned(),
            fault,
            at,
        });
        metrics::gauge!("taskpass_policy_refused").set(1);
        true
    }

    pub(super) fn policy_or_refuse(&self) -> Result<Arc<Policy>, Refusal> {
        self.policy().ok_or_else(|| {
            Refusal::new(
                Reason::PolicyUnavailable,
                "the broker has no policy; an operator has to give it one",
            )
        })
    }
}

/// Says which policy is in force: the gauge of the one before goes to 0.
fn measure(before: Option<&Policy>, hash: &str, at: UnixMillis) {
    if let Some(before) = before {
        metrics::gauge!("taskpass_policy_info", "policy" => before.hash().to_string()).set(0);
    }
    metrics::gauge!("taskpass_policy_info", "policy" => hash.to_owned()).set(1);
    let seconds = Duration::from_millis(at.as_millis());
    metrics::gauge!("taskpass_policy_loaded_timestamp_seconds").set(seconds);
    metrics::gauge!("taskpass_policy_refused").set(0);
}
