//! Ends one lease on an operator's word.

use serde_json::json;
use taskpass_proto::ids::LeaseId;
use taskpass_proto::refusal::Refusal;

use super::Operations;
use crate::domain::cause::Cause;
use crate::domain::change::Current;
use crate::domain::change::end_lease::{LeaseEnded, end_lease};
use crate::ports::store::jobs::transact;

impl Operations {
    /// Ends one lease; its job goes on. Says what it came to once it is durable.
    pub async fn revoke_lease(
        &self,
        lease: LeaseId,
        by: &str,
        note: &str,
    ) -> Result<LeaseEnded, Refusal> {
        let at = self.now();
        let details = json!({ "by": by, "note": note });
        let change = move |now: &Current<'_>| end_lease(now, lease, Cause::Operator, at, &details);
        let ended = transact(self.store.as_ref(), lease.job(), change)
            .await
            .map_err(|error| self.store_failed(&error))?;
        if ended == LeaseEnded::Now {
            tracing::info!(lease.id = %lease, lease.cause = "operator", "lease ended");
        }
        Ok(ended)
    }
}
