//! What a start from a backup, or from an old copy of the store, does before anybody is answered.
//!
//! Nobody knows what was opened, renewed, closed or banned since the copy was made. So everything that is open
//! in it ends, and what it does not know is refused by itself: an unknown lease is not active.

use futures_util::future::join_all;
use serde_json::json;

use crate::crash_points::{self, Point};
use crate::domain::cause::Cause;
use crate::domain::change::Current;
use crate::domain::change::end::{Authority, Ending, end};
use crate::domain::job::End;
use crate::domain::time::UnixMillis;
use crate::ports::store::jobs::{JobQuery, transact};
use crate::ports::store::{Store, StoreError};

/// Jobs that end together.
const BATCH: usize = 256;

/// Ends every open job with the cause `store_restored`. Answers how many there were.
///
/// Killed in the middle, it is done again from where it was.
pub async fn end_everything(store: &dyn Store, now: UnixMillis) -> Result<u64, StoreError> {
    let mut ended = 0;
    loop {
        let query = JobQuery {
            open: Some(true),
            limit: BATCH,
            ..JobQuery::default()
        };
        let page = store.list_jobs(&query)?;
        if page.jobs.is_empty() {
            return Ok(ended);
        }
        let ends = page.jobs.iter().map(|known| {
            let ending = Ending {
                id: known.job.id,
                authority: Authority::Broker,
                end: End {
                    cause: Cause::StoreRestored,
                    at: now,
                },
                details: json!({}),
            };
            let change = move |current: &Current<'_>| end(current, &ending);
            transact(store, known.job.id, change)
        });
        for outcome in join_all(ends).await {
            outcome?;
            ended += 1;
        }
        crash_points::reach(Point::RestoredHalf);
    }
}
