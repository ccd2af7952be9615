//! When a connection has been idle for too long.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

/// The first request is there by then.
const FIRST: Duration = Duration::from_secs(10);
/// A further one by then, after the last was answered.
const NEXT: Duration = Duration::from_secs(60);

/// What goes on on a connection. Clones are of the same one.
#[derive(Debug, Clone, Default)]
pub struct Activity(Arc<watch::Sender<State>>);

/// A request under way, until it is dropped.
#[derive(Debug)]
pub struct UnderWay(Activity);

#[derive(Debug, Clone, Copy, Default)]
struct State {
    requests: u64,
    under_way: u32,
    /// A job lives as long as the connection.
    anchored: bool,
}

impl Activity {
    /// A request begins.
    pub fn begin(&self) -> UnderWay {
        self.0.send_modify(|state| {
            state.requests += 1;
            state.under_way += 1;
        });
        UnderWay(self.clone())
    }

    /// A job lives as long as the connection: it may stay idle.
    pub fn anchor(&self) {
        self.0.send_modify(|state| state.anchored = true);
    }

    /// Whether no request is under way.
    pub fn is_quiet(&self) -> bool {
        self.0.borrow().under_way == 0
    }

    /// Waits until no request is under way.
    pub async fn quiet(&self) {
        let mut states = self.0.subscribe();
        // The sender is ours.
        let _ = states.wait_for(|state| state.under_way == 0).await;
    }

    /// Waits until the connection has been idle for too long. Half a request is none.
    pub async fn idle(&self) {
        let mut states = self.0.subscribe();
        loop {
            let state = *states.borrow_and_update();
            let patience = match state {
                State { anchored: true, .. } | State { under_way: 1.., .. } => None,
                State { requests: 0, .. } => Some(FIRST),
                State { .. } => Some(NEXT),
            };
            let waited = async {
                match patience {
                    Some(patience) => sleep(patience).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = waited => return,
                // The sender is ours.
                _ = states.changed() => {}
            }
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0
            .0
            .send_modify(|state| state.under_way = state.under_way.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, timeout};

    use super::*;

    async fn idle_after(activity: &Activity) -> Option<Duration> {
        let begun = Instant::now();
        let idle = timeout(Duration::from_secs(3600), activity.idle()).await;
        idle.ok().map(|()| begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_request_has_to_come_sooner_than_the_next() {
        let activity = Activity::default();
        assert_eq!(idle_after(&activity).await, Some(FIRST));
        drop(activity.begin());
        assert_eq!(idle_after(&activity).await, Some(NEXT));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_with_a_request_or_a_job_is_never_idle() {
        let activity = Activity::default();
        let (first, second) = (activity.begin(), activity.begin());
        drop(first);
        assert_eq!(idle_after(&activity).await, None);
        drop(second);
        assert_eq!(idle_after(&activity).await, Some(NEXT));
        activity.anchor();
        assert_eq!(idle_after(&activity).await, None);
    }
}
