//! Copies the store while the broker runs.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::Operations;
use crate::domain::audit::{Event, Record};
use crate::ports::store::backup::{BackedUp, BackupError, BackupProgress};

/// What is said of a backup that is under way.
#[derive(Debug)]
pub enum BackupNews {
    /// How far it is.
    Copying(BackupProgress),
    /// It is over; nothing follows.
    Over(Result<BackedUp, BackupError>),
}

/// News that may wait. What does not fit is left out, for newer news follow.
const NEWS: usize = 4;

impl Operations {
    /// Begins a backup on a thread of its own. It stops when nobody listens any more.
    pub fn back_up(
        self: &Arc<Self>,
        destination: PathBuf,
        by: String,
    ) -> mpsc::Receiver<BackupNews> {
        let (tell, news) = mpsc::channel(NEWS);
        let this = Arc::clone(self);
        let runtime = tokio::runtime::Handle::current();
        // Owned by the receiver: the copying looks at each step whether it is still there.
        drop(spawn_blocking(move || {
            let mut told = |progress| {
                let sent = tell.try_send(BackupNews::Copying(progress));
                !matches!(sent, Err(mpsc::error::TrySendError::Closed(_)))
            };
            let outcome = this.store.back_up(&destination, this.now(), &mut told);
            runtime.block_on(async {
                this.record_backup(&destination, &by, &outcome).await;
                let _ = tell.send(BackupNews::Over(outcome)).await;
            });
        }));
        news
    }

    async fn record_backup(
        &self,
        destination: &std::path::Path,
        by: &str,
        outcome: &Result<BackedUp, BackupError>,
    ) {
        let details = match outcome {
            Ok(made) => json!({
                "by": by, "file": destination, "bytes": made.bytes, "last_record": made.last_record,
            }),
            Err(error) => {
                tracing::warn!(%error, "a backup was not made");
                return;
            }
        };
        let record = Record {
            details,
            ..Record::new(Event::StoreBackedUp, self.now())
        };
        if let Err(error) = self.append(record).await {
            tracing::error!(%error, "a backup was made and not recorded");
        }
    }
}
