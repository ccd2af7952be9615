//! A wall clock that is set back.

use std::time::Duration;

use super::{Bench, MINUTE, NOW};

#[tokio::test]
async fn a_clock_that_is_set_back_by_hours_revives_no_old_token_of_an_open_job() {
    let bench = Bench::new().await;
    let opened = bench.open().await.unwrap();
    let job = opened.job;
    let first = opened.credentials[0].token.clone();
    for generation in 1..10 {
        bench.clock.advance(7 * MINUTE);
        bench.renew(job, generation).await.unwrap();
    }
    assert!(!bench.is_active(&first), "it expired long ago");

    // To a time at which the first token was good.
    bench.clock.step_wall(NOW.plus(2 * MINUTE));
    assert!(!bench.is_active(&first));

    // The clock is believed again; the holder goes on with the next generation.
    let _ = bench.operations.clock_state();
    bench.clock.advance(MINUTE + Duration::from_secs(1));
    let renewed = bench.renew(job, 10).await.unwrap();
    assert!(bench.is_active(&renewed.credential.token));
    assert!(!bench.is_active(&first));
    bench.clock.advance(MINUTE);
    bench.renew(job, 11).await.unwrap();
    assert!(bench.is_active(&renewed.credential.token));
    assert!(!bench.is_active(&first));
}
