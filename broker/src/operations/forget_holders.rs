//! Forgets holders that have been silent for as long as ended jobs are kept.

use std::time::Duration;

use super::Operations;
use crate::ports::store::StoreError;

/// How often [`Operations::forget_holders`] is called.
pub const LOOK_EVERY: Duration = Duration::from_secs(600);

/// Rows that one transaction looks at: a few milliseconds, so that issuing never waits for it.
const ROWS: usize = 500;

impl Operations {
    /// Forgets the holders that have no open job and were last heard of longer ago than the retention.
    ///
    /// A holder that comes back is new: it may begin with any incarnation.
    pub async fn forget_holders(&self) -> Result<u64, StoreError> {
        let silent_since = self.now().minus(self.settings.retention);
        let (mut forgotten, mut after) = (0, None);
        loop {
            let page = self.store.forget_silent(silent_since, after, ROWS).await?;
            forgotten += page.holders;
            after = page.next;
            if after.is_none() {
                return Ok(forgotten);
            }
        }
    }
}
