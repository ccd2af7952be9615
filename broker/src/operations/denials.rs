//! Records denials: the caller learns the reason and an id, the audit log the whole why.

use std::time::Duration;

use parking_lot::Mutex;
use serde_json::json;
use taskpass_proto::refusal::Refusal;

use super::Operations;
use crate::domain::audit::{Event, Record};
use crate::domain::denial_window::{Denial, DenialKind, DenialWindow, RequestDigest};

/// The denials of the last minute.
#[derive(Debug, Default)]
pub struct Denials {
    window: Mutex<DenialWindow>,
}

impl Operations {
    /// Records a denial and puts the id of its record into the refusal.
    ///
    /// A denial stands even when it cannot be recorded: failing to write never lets anybody in.
    pub(super) async fn denied(&self, refusal: Refusal, record: Record) -> Refusal {
        let reason = refusal.reason.code();
        metrics::counter!("taskpass_decisions_total", "outcome" => reason).increment(1);
        let Ok(decision) = self.decision_id(record.at) else {
            return refusal;
        };
        let taken = record.subject.clone().map(|subject| {
            let task = record.task.clone().unwrap_or_default();
            let kind = DenialKind {
                subject,
                task,
                reason,
            };
            let (request, now) = (RequestDigest::of(&record), self.clock.since_boot());
            let mut window = self.denials.window.lock();
            window.take(kind, request, &decision, now)
        });
        let mut record = Record {
            decision: Some(decision.clone()),
            outcome: Some(reason),
            ..record
        };
        match taken {
            Some(Denial::Counted { decision: first }) => return refusal.correlated(first),
            Some(Denial::RecordForOthers) => say_that_it_stands_for_others(&mut record),
            Some(Denial::Record) | None => {}
        }
        match self.store.append(vec![record]).await {
            Ok(()) => refusal.correlated(decision),
            Err(error) => {
                tracing::error!(%error, decision.id = decision, "a denial was not recorded");
                refusal
            }
        }
    }

    /// Records the counts of repeated denials whose minute is over.
    pub async fn flush_denials(&self) {
        let repeated = self.denials.window.lock().flush(self.clock.since_boot());
        if repeated.is_empty() {
            return;
        }
        let at = self.now();
        let records = repeated.into_iter().map(|repeated| {
            let mut record = Record {
                subject: Some(repeated.kind.subject),
                task: Some(repeated.kind.task),
                outcome: Some(repeated.kind.reason),
                decision: Some(repeated.decision),
                details: json!({ "repeats": repeated.repeats }),
                ..Record::new(Event::DenialsRepeated, at)
            };
            if repeated.are_different {
                say_that_it_stands_for_others(&mut record);
            }
            record
        });
        if let Err(error) = self.store.append(records.collect()).await {
            tracing::error!(%error, "counts of repeated denials were not recorded");
        }
    }
}

/// Whoever looks the id of a refusal up has to know that another request may have been the one refused.
fn say_that_it_stands_for_others(record: &mut Record) {
    if let Some(details) = record.details.as_object_mut() {
        details.insert("different_requests".to_owned(), json!(true));
    }
}

/// How often [`Operations::flush_denials`] is worth calling.
pub const FLUSH_EVERY: Duration = Duration::from_secs(5);
