//! Bans that come while a call is under way.

use taskpass_proto::reason::Reason;

use super::{Bench, CI, caller, holder, reason};
use crate::domain::ban::{Ban, BanTarget};
use crate::domain::cause::Cause;

fn ban(bench: &Bench, target: BanTarget) -> Ban {
    Ban {
        target,
        since: bench.operations.now(),
        until: None,
        note: "the key leaked".into(),
        by: "uid 0".into(),
    }
}

#[tokio::test]
async fn a_call_that_the_gate_let_in_before_a_ban_leaves_no_job_behind() {
    let bench = Bench::new().await;
    let target = BanTarget::Workload(caller(CI).subject);
    bench.operations.ban(ban(&bench, target)).await.unwrap();
    // The gate was passed before; nobody is asked to look for this job again.
    assert_eq!(reason(bench.open().await), Some(Reason::WorkloadBanned));
    assert_eq!(bench.operations.open_jobs().unwrap(), 0);
}

#[tokio::test]
async fn a_ban_ends_every_job_of_whom_it_names() {
    let bench = Bench::new().await;
    let opened = bench.open().await.unwrap();
    let token = &opened.credentials[0].token;
    assert!(bench.is_active(token));
    let target = BanTarget::Workload(caller(CI).subject);
    assert_eq!(bench.operations.ban(ban(&bench, target)).await.unwrap(), 1);
    assert!(!bench.is_active(token));
    assert_eq!(bench.cause(opened.job), Some(Cause::WorkloadBanned));
}

#[tokio::test]
async fn a_banned_holder_is_refused_on_every_call() {
    let bench = Bench::new().await;
    let job = bench.open().await.unwrap().job;
    let (greeted, banned) = (
        bench.greet(holder(), vec![job]).await.unwrap(),
        Some(Reason::WorkloadBanned),
    );
    let target = BanTarget::Holder(holder().secret.hash());
    bench.operations.ban(ban(&bench, target)).await.unwrap();
    assert_eq!(reason(bench.open().await), banned);
    assert_eq!(reason(bench.renew(job, 1).await), banned);
    assert_eq!(reason(bench.issue(job, holder()).await), banned);
    assert_eq!(reason(bench.greet(holder(), vec![]).await), banned);
    let beat = bench.operations.beat(&greeted.stream, vec![]).await;
    assert_eq!(reason(beat), banned);
}
