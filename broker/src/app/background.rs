//! What the broker does by itself, one loop each.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::adapters::keys::key_set::KeySet;
use crate::domain::clock_guard::ClockState;
use crate::domain::policy::PolicyHash;
use crate::domain::token_form::Algorithm;
use crate::operations::audit_log::AuditLog;
use crate::operations::gate::Gate;
use crate::operations::{
    Operations, denials, end_job, expire, forget_holders, policy_change, silence, store_trouble,
    watch_revocations,
};

/// How often the key schedule is looked at; mostly that is a comparison of times.
const KEYS_EVERY: Duration = Duration::from_secs(1);
/// How often the gate forgets workloads that have gone quiet.
const TIDY_EVERY: Duration = Duration::from_secs(60);

/// The loops, until `shutdown`.
pub fn spawn(
    tasks: &mut JoinSet<()>,
    operations: &Arc<Operations>,
    gate: &Arc<Gate>,
    keys: &Arc<KeySet>,
    shutdown: &CancellationToken,
) {
    let mut every = |period: Duration, work: Work| {
        tasks.spawn(repeat(period, shutdown.clone(), work));
    };
    let this = Arc::clone(operations);
    every(
        expire::LOOK_EVERY,
        work(move || {
            let this = Arc::clone(&this);
            async move { log(this.expire_due().await.map(drop), "expiry was put off") }
        }),
    );
    let this = Arc::clone(operations);
    every(
        silence::LOOK_EVERY,
        work(move || {
            let this = Arc::clone(&this);
            async move {
                log(
                    this.end_silent().await,
                    "ending silent holders' jobs was put off",
                );
            }
        }),
    );
    let this = Arc::clone(operations);
    every(
        policy_change::LOOK_EVERY,
        work(move || {
            let this = Arc::clone(&this);
            async move {
                log(
                    this.end_withdrawn().await.map(drop),
                    "holding open jobs against the new policy was put off",
                );
            }
        }),
    );
    let this = Arc::clone(operations);
    every(
        end_job::REPEAT_EVERY,
        work(move || {
            let this = Arc::clone(&this);
            async move { this.repeat_pending_ends().await }
        }),
    );
    let this = Arc::clone(operations);
    every(
        store_trouble::TRY_EVERY,
        work(move || {
            let this = Arc::clone(&this);
            async move { this.try_failing_store().await }
        }),
    );
    let this = Arc::clone(operations);
    every(
        denials::FLUSH_EVERY,
        work(move || {
            let this = Arc::clone(&this);
            async move { this.flush_denials().await }
        }),
    );
    let (this, place) = (Arc::clone(operations), Arc::new(AtomicU64::new(0)));
    every(
        watch_revocations::PRUNE_EVERY,
        work(move || {
            let (this, place) = (Arc::clone(&this), Arc::clone(&place));
            async move {
                let next = this.prune_revocations(place.load(Relaxed)).await;
                let next = next.map(|next| place.store(next, Relaxed));
                log(next, "revocations that are over were kept");
            }
        }),
    );
    let this = Arc::clone(operations);
    every(
        forget_holders::LOOK_EVERY,
        work(move || {
            let this = Arc::clone(&this);
            async move {
                log(
                    this.forget_holders().await.map(drop),
                    "forgetting silent holders was put off",
                );
            }
        }),
    );
    let this = Arc::clone(gate);
    every(
        TIDY_EVERY,
        work(move || {
            let this = Arc::clone(&this);
            async move { this.tidy() }
        }),
    );
    let keys = Arc::clone(keys);
    let this = Arc::clone(operations);
    // The algorithms of a snapshot are looked for once, not every second.
    let mut known: (Option<PolicyHash>, BTreeSet<Algorithm>) = (None, BTreeSet::new());
    every(
        KEYS_EVERY,
        work(move || {
            let hash = this.policy().map(|policy| policy.hash());
            if hash != known.0 {
                known = (hash, algorithms(&this));
            }
            let (keys, algorithms, now) = (Arc::clone(&keys), known.1.clone(), this.now());
            // Nobody makes keys by a clock that cannot be believed.
            let is_steady = this.clock_state() == ClockState::Steady;
            async move {
                if is_steady {
                    log(
                        keys.keep_up(&algorithms, now).await.map(drop),
                        "no key was made",
                    );
                }
            }
        }),
    );
}

/// How often details that are too old are looked for.
const RETAIN_EVERY: Duration = Duration::from_secs(3600);

/// Erases details of audit records at this age, until `shutdown`.
pub async fn retain(log: Arc<AuditLog>, age: Duration, shutdown: CancellationToken) {
    let mut ticks = interval(RETAIN_EVERY);
    let mut from = 1;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = shutdown.cancelled() => return,
        }
        match log.retain(age, from).await {
            Ok(next) => from = next,
            Err(error) => tracing::error!(%error, "no details were erased by retention"),
        }
    }
}

/// The algorithms that the policy in force needs keys for.
pub(super) fn algorithms(operations: &Operations) -> BTreeSet<Algorithm> {
    operations
        .policy()
        .map(|policy| policy.algorithms())
        .unwrap_or_default()
}

type Work = Box<dyn FnMut() -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

fn work<F, T>(mut work: F) -> Work
where
    F: FnMut() -> T + Send + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    Box::new(move || Box::pin(work()))
}

async fn repeat(period: Duration, shutdown: CancellationToken, mut work: Work) {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => work().await,
            () = shutdown.cancelled() => return,
        }
    }
}

fn log<E: std::fmt::Display>(outcome: Result<(), E>, what: &'static str) {
    if let Err(error) = outcome {
        tracing::error!(%error, "{what}");
    }
}
