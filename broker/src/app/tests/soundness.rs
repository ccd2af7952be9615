//! What has to be sound before anything is issued; ends never wait for it.

use taskpass_proto::reason::Reason;

use super::{Bench, MINUTE, NOW, holder, reason};
use crate::domain::cause::Cause;
use crate::operations::end_job::Progress;
use crate::ports::log_files::LogWriter;
use crate::ports::store::{StoreError, StoreErrorKind};

fn error(kind: StoreErrorKind) -> StoreError {
    StoreError {
        kind,
        message: "as a test says".into(),
    }
}

#[tokio::test]
async fn by_a_clock_that_stepped_nothing_is_issued() {
    let bench = Bench::new().await;
    let job = bench.open().await.unwrap().job;
    bench.clock.step_wall(NOW.plus(10 * MINUTE));
    let uncertain = Some(Reason::ClockUncertain);
    assert_eq!(reason(bench.open().await), uncertain);
    assert_eq!(reason(bench.renew(job, 1).await), uncertain);
    assert_eq!(reason(bench.issue(job, holder()).await), uncertain);
    let closed = bench.close(job, holder()).await.unwrap();
    assert_eq!(closed, Progress::Confirmed(Cause::JobClosed));
}

#[tokio::test]
async fn from_a_damaged_store_nothing_is_issued_however_well_it_writes() {
    let bench = Bench::new().await;
    let job = bench.open().await.unwrap().job;
    let operations = &bench.operations;
    operations.store_was_looked_through(&error(StoreErrorKind::Corrupt));
    let unavailable = Some(Reason::StoreUnavailable);
    assert_eq!(reason(bench.renew(job, 1).await), unavailable);
    operations.try_failing_store().await;
    assert_eq!(reason(bench.renew(job, 1).await), unavailable);
    // Lesser trouble later does not cover it up.
    drop(operations.store_failed(&error(StoreErrorKind::Full)));
    operations.try_failing_store().await;
    assert_eq!(reason(bench.renew(job, 1).await), unavailable);
    let closed = bench.close(job, holder()).await.unwrap();
    assert_eq!(closed, Progress::Confirmed(Cause::JobClosed));
}

#[tokio::test]
async fn beside_a_log_that_does_not_fit_nothing_is_issued() {
    let bench = Bench::new().await;
    let job = bench.open().await.unwrap().job;
    bench.files.publish("somebody else's\n", &[]).unwrap();
    bench.operations.audit_log().sequence().await;
    let unavailable = Some(Reason::StoreUnavailable);
    assert_eq!(reason(bench.renew(job, 1).await), unavailable);
    let closed = bench.close(job, holder()).await.unwrap();
    assert_eq!(closed, Progress::Confirmed(Cause::JobClosed));
}
