//! Holders that are not heard of.

use std::time::Duration;

use super::{Bench, LIMIT, holder};
use crate::domain::cause::Cause;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn silence_beyond_the_limit_ends_announced_jobs() {
    let bench = Bench::new().await;
    let job = bench.open().await.unwrap().job;
    let greeted = bench.greet(holder(), vec![job]).await.unwrap();
    bench.clock.advance(LIMIT);
    bench.operations.end_silent().await.unwrap();
    assert_eq!(bench.cause(job), None);
    bench
        .operations
        .beat(&greeted.stream, vec![])
        .await
        .unwrap();
    bench.clock.advance(LIMIT);
    bench.operations.end_silent().await.unwrap();
    assert_eq!(bench.cause(job), None);
    bench.clock.advance(SECOND);
    bench.operations.end_silent().await.unwrap();
    assert_eq!(bench.cause(job), Some(Cause::HeartbeatLost));
}

#[tokio::test]
async fn a_job_that_a_greeting_leaves_out_ends_one_limit_later() {
    let bench = Bench::new().await;
    let job = bench.open().await.unwrap().job;
    bench.clock.advance(SECOND);
    let greeted = bench.greet(holder(), vec![]).await.unwrap();
    bench.clock.advance(29 * SECOND);
    bench
        .operations
        .beat(&greeted.stream, vec![])
        .await
        .unwrap();
    bench.operations.end_silent().await.unwrap();
    assert_eq!(bench.cause(job), None);
    bench.clock.advance(SECOND);
    bench.operations.end_silent().await.unwrap();
    assert!(bench.cause(job).is_some());
}
