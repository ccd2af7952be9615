//! Policy that changes under open jobs.

use super::{Bench, INSTALLATION, POLICY};
use crate::domain::cause::Cause;

fn strict() -> String {
    format!("on_withdrawn_grant = \"end-jobs\"\n{INSTALLATION}")
}

#[tokio::test]
async fn a_change_that_takes_the_grant_away_ends_the_job() {
    let bench = Bench::new().await;
    let job = bench.open().await.unwrap().job;
    assert_eq!(bench.operations.end_withdrawn().await, Ok(0));
    let elsewhere = POLICY.replace("example/ci/*", "example/elsewhere/*");
    bench.install_with(&elsewhere, &strict()).await;
    assert_eq!(bench.operations.end_withdrawn().await, Ok(1));
    assert_eq!(bench.cause(job), Some(Cause::PolicyChanged));
}

#[tokio::test]
async fn the_installations_word_alone_makes_it_look_again() {
    let bench = Bench::new().await;
    let job = bench.open().await.unwrap().job;
    let elsewhere = POLICY.replace("example/ci/*", "example/elsewhere/*");
    bench.install(&elsewhere).await;
    assert_eq!(bench.operations.end_withdrawn().await, Ok(0));
    assert_eq!(bench.cause(job), None);
    bench.install_with(&elsewhere, &strict()).await;
    assert_eq!(bench.operations.end_withdrawn().await, Ok(1));
}
