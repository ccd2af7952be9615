//! A store that fails: what callers are told, and how the broker finds out that it is well again.

use std::time::Duration;

use parking_lot::Mutex;
use serde_json::json;
use taskpass_proto::reason::Reason;
use taskpass_proto::refusal::Refusal;

use super::Operations;
use crate::domain::audit::{Event, Record};
use crate::domain::time::UnixMillis;
use crate::ports::store::{StoreError, StoreErrorKind};

/// How often a failing store is tried.
pub const TRY_EVERY: Duration = Duration::from_secs(2);

/// The store's trouble, while it lasts.
#[derive(Debug, Default)]
pub struct StoreTrouble {
    since: Mutex<Option<(UnixMillis, StoreError)>>,
}

impl Operations {
    /// The store's trouble, while it lasts.
    pub fn store_trouble(&self) -> Option<StoreError> {
        self.store_trouble
            .since
            .lock()
            .as_ref()
            .map(|(_, error)| error.clone())
    }

    /// Tries a failing store: a record of its recovery that commits is the recovery.
    pub async fn try_failing_store(&self) {
        let Some((since, error)) = self.store_trouble.since.lock().clone() else {
            return;
        };
        // INVARIANT: what is damaged stays damaged, however well a write goes elsewhere in the file.
        if error.kind == StoreErrorKind::Corrupt {
            return;
        }
        let record = Record {
            details: json!({
                "since": since, "kind": error.kind.as_str(), "message": error.message,
            }),
            ..Record::new(Event::StoreRecovered, self.now())
        };
        match self.store.append(vec![record]).await {
            Ok(()) => {
                *self.store_trouble.since.lock() = None;
                tracing::info!(store.since = %since, "the store works again");
            }
            Err(error) => drop(self.store_failed(&error)),
        }
    }

    /// The look at every page of the store failed, or found it damaged.
    pub fn store_was_looked_through(&self, error: &StoreError) {
        if error.kind == StoreErrorKind::Corrupt {
            drop(self.store_failed(error));
        } else {
            tracing::warn!(%error, "the store was not looked through");
        }
    }

    /// Refuses to issue from a store that is damaged: what it says of jobs, bans and keys cannot be believed.
    pub(super) fn refuse_unless_store_is_sound(&self) -> Result<(), Refusal> {
        let trouble = self.store_trouble.since.lock();
        match trouble.as_ref() {
            Some((_, error)) if error.kind == StoreErrorKind::Corrupt => Err(Refusal::new(
                Reason::StoreUnavailable,
                "the broker's store is damaged, so nothing is issued; an operator has to restore a backup",
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// Remembers the trouble, and tells a caller that nothing was issued.
    pub(crate) fn store_failed(&self, error: &StoreError) -> Refusal {
        let kind = error.kind.as_str();
        metrics::counter!("taskpass_store_errors_total", "kind" => kind).increment(1);
        let mut trouble = self.store_trouble.since.lock();
        let is_known = matches!(trouble.as_ref(), Some((_, known)) if known.kind == error.kind);
        let (_, known) = trouble.get_or_insert_with(|| (self.now(), error.clone()));
        // The newest trouble is the one to mend, and damage is worse than any.
        if known.kind != StoreErrorKind::Corrupt {
            *known = error.clone();
        }
        drop(trouble);
        // Once for all calls that meet it: the log may lie on the very disk that is full.
        if !is_known {
            tracing::error!(
                error.kind = kind,
                error.message = error.message,
                "the store failed"
            );
        }
        Refusal::new(
            Reason::StoreUnavailable,
            "the broker cannot record it, so nothing was issued; try again",
        )
        .retry_after(TRY_EVERY)
    }
}
