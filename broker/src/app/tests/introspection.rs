//! What an active token has to be.

use std::time::Duration;

use taskpass_proto::ids::JobId;
use taskpass_proto::reason::Reason;

use super::{Bench, CI, ISSUER, NOW, OTHER_VERIFIER, VERIFIER, reason};
use crate::domain::key_schedule::KeyState;
use crate::domain::key_schedule::change::Patience;
use crate::ports::key_desk::{KeyDesk, Order};

#[tokio::test]
async fn a_token_is_active_for_verifiers_of_its_audience_alone_and_until_it_expires() {
    let bench = Bench::new().await;
    let opened = bench.open().await.unwrap();
    let token = &opened.credentials[0].token;
    let table = [
        (VERIFIER, true),
        (OTHER_VERIFIER, false),
        (CI, false),
        ("spiffe://acme.example/nobody", false),
    ];
    for (verifier, expected) in table {
        assert_eq!(bench.is_active_for(verifier, token), expected, "{verifier}");
    }
    bench.clock.advance(Duration::from_secs(599));
    assert!(bench.is_active(token));
    // Nothing has ended the lease: its own end is enough.
    bench.clock.advance(Duration::from_secs(1));
    assert!(!bench.is_active(token));
}

#[tokio::test]
async fn a_token_that_is_not_valid_yet_is_not_active() {
    let bench = Bench::new().await;
    let opened = bench.open().await.unwrap();
    bench.clock.step_wall(NOW.minus(Duration::from_secs(31)));
    assert!(!bench.is_active(&opened.credentials[0].token));
}

#[tokio::test]
async fn a_job_id_whose_time_is_off_is_refused() {
    let bench = Bench::new().await;
    let hour = Duration::from_secs(3600);
    let soon = Duration::from_millis(1);
    for (at, refused) in [
        (NOW.minus(hour), false),
        (NOW.minus(hour + soon), true),
        (NOW.plus(hour), false),
        (NOW.plus(hour + soon), true),
    ] {
        let opened = bench
            .open_with_id(JobId::new(at.as_millis(), [5; 10]))
            .await;
        assert_eq!(reason(opened), refused.then_some(Reason::JobIdTime), "{at}");
    }
}

#[tokio::test]
async fn a_token_of_another_issuer_is_not_active_though_the_key_is_known() {
    let mut bench = Bench::new().await;
    let opened = bench.open().await.unwrap();
    let token = &opened.credentials[0].token;
    bench.restart_as("https://other.acme.example").await;
    assert!(!bench.is_active(token));
    bench.restart_as(ISSUER).await;
    assert!(bench.is_active(token));
}

#[tokio::test]
async fn a_token_that_was_seen_before_is_not_active_once_its_key_is_retired() {
    let bench = Bench::new().await;
    let opened = bench.open().await.unwrap();
    let token = &opened.credentials[0].token;
    assert!(bench.is_active(token));
    let keys = bench.keys.list(NOW);
    let signing = keys.iter().find(|key| key.state == KeyState::Signing);
    let order = Order {
        by: "uid 0".into(),
        note: "it leaked".into(),
        patience: Patience::Now,
    };
    let kid = &signing.unwrap().kid;
    bench.keys.retire(kid, &order, NOW).await.unwrap();
    assert!(!bench.is_active(token));
}
