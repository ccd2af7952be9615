//! The policy in force, and how a new one takes its place.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use serde_json::json;
use taskpass_proto::reason::Reason;
use taskpass_proto::refusal::Refusal;

use super::Operations;
use crate::domain::audit::{Event, Record};
use crate::domain::policy::{Policy, SourceFile};
use crate::domain::time::UnixMillis;
use crate::ports::store::StoreError;
use crate::ports::store::policies::KeptPolicy;

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
    /// Why the newest files were refused.
    pub refused: Option<String>,
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
    pub async fn install_policy(&self, policy: Policy) -> Result<bool, StoreError> {
        let now = self.now();
        let hash = policy.hash().to_string();
        if self
            .policy()
            .is_some_and(|current| current.hash() == policy.hash())
        {
            // The places in explanations, and what the installation file says, are those of today.
            self.policy.current.store(Some(Arc::new(policy)));
            self.policy_has_changed();
            self.policy.status.lock().refused = None;
            return Ok(false);
        }
        let kept = |file: &SourceFile| (file.name.to_string(), file.bytes.to_vec());
        let files: Vec<_> = policy.sources().iter().map(kept).collect();
        let record = Record {
            policy: Some(hash.clone()),
            details: json!({ "files": files.iter().map(|(name, _)| name).collect::<Vec<_>>() }),
            ..Record::new(Event::PolicyLoaded, now)
        };
        let kept = KeptPolicy {
            hash: hash.clone(),
            files,
            since: now,
        };
        self.store.keep_policy(kept, record).await?;
        self.policy.current.store(Some(Arc::new(policy)));
        self.policy_has_changed();
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
        if self.policy.status.lock().refused.as_ref() == Some(&why) {
            return;
        }
        metrics::counter!("taskpass_policy_loads_total", "outcome" => "refused").increment(1);
        tracing::error!(
            policy.error = why,
            "policy refused; the one before stays in force"
        );
        let record = Record {
            details: json!({ "why": why }),
            ..Record::new(Event::PolicyRefused, self.now())
        };
        self.policy.status.lock().refused = Some(why);
        if let Err(error) = self.store.append(vec![record]).await {
            tracing::error!(%error, "the refusal of a policy was not recorded");
        }
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
