//! Whose a job is, and which start of its holder speaks.

use taskpass_proto::ids::LeaseId;
use taskpass_proto::reason::Reason;

use super::{Bench, CI, ISSUER, caller, holder, holder_of, reason, request};
use crate::domain::cause::Cause;
use crate::operations::end_job::CloseJob;
use crate::operations::renew::Renew;

#[tokio::test]
async fn another_holder_of_the_same_workload_can_do_nothing_with_a_job() {
    let bench = Bench::new().await;
    let opened = bench.open().await.unwrap();
    let (job, stranger) = (opened.job, holder_of(4, 1));
    let renewal = Renew {
        lease: LeaseId::new(job, 1),
        holder: stranger.clone(),
        generation: 1,
        bind_to: None,
    };
    let renewed = bench.operations.renew(&caller(CI), renewal).await;
    assert_eq!(reason(renewed), Some(Reason::LeaseUnknown));
    let issued = bench.issue(job, stranger.clone()).await;
    assert_eq!(reason(issued), Some(Reason::JobUnknown));
    let mut again = request(job);
    again.holder = stranger.clone();
    let again = bench.operations.open_job(&caller(CI), again).await;
    assert_eq!(reason(again), Some(Reason::JobIdReused));
    let greeted = bench.greet(stranger.clone(), vec![job]).await.unwrap();
    assert_eq!(greeted.gone, [(job, None)]);
    let close = CloseJob {
        job,
        holder: stranger,
        cause: Cause::JobClosed,
        exit_status: None,
    };
    assert!(!bench.operations.holds(&caller(CI), &close));
    bench
        .operations
        .close_job(&caller(CI), &close)
        .await
        .unwrap();
    assert!(bench.is_active(&opened.credentials[0].token));

    let own = CloseJob {
        holder: holder(),
        ..close
    };
    assert!(bench.operations.holds(&caller(CI), &own));
    bench.operations.close_job(&caller(CI), &own).await.unwrap();
    assert!(!bench.is_active(&opened.credentials[0].token));
}

#[tokio::test]
async fn an_older_start_of_a_holder_is_refused_also_after_a_restart() {
    let mut bench = Bench::new().await;
    let (old, new) = (holder_of(9, 1), holder_of(9, 2));
    let superseded = Some(Reason::Superseded);
    let greeted = bench.greet(old.clone(), vec![]).await.unwrap();
    bench.greet(new, vec![]).await.unwrap();
    let beat = bench.operations.beat(&greeted.stream, vec![]).await;
    assert_eq!(reason(beat), superseded);
    assert_eq!(reason(bench.open().await), superseded);
    bench.restart_as(ISSUER).await;
    assert_eq!(reason(bench.open().await), superseded);
    assert_eq!(reason(bench.greet(old, vec![]).await), superseded);
}
