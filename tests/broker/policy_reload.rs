//! Policy changes as its files change; a bad file changes nothing.

use std::fs;

use crate::support::eventually;
use crate::support::http;
use crate::support::installation::{Installation, POLICY, Plan};
use crate::support::operator::Operator;

const CI: &str = "spiffe://acme.example/prod/ci/docs";

#[tokio::test]
async fn a_changed_file_decides_the_next_request() {
    let broker = Installation::start().await;
    let client = broker.client(CI).await;
    client.clone().open_docs().await;
    fs::write(
        broker.path("policy/policy.toml"),
        POLICY.replace("prod/ci/*", "prod/nobody/*"),
    )
    .unwrap();
    let refused = eventually("the task is no longer granted", || {
        let mut client = client.clone();
        async move { client.open(client.request("deploy-docs")).await.err() }
    })
    .await;
    assert_eq!(refused.reason, "TASK_NOT_GRANTED");
    let mut operator = Operator::connect(&broker).await;
    assert_eq!(operator.events("policy.loaded").await.len(), 2);
}

#[tokio::test]
async fn a_bad_file_leaves_the_good_policy_in_force_and_is_told_with_its_place() {
    let broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    for bad in [
        "[task.deploy-docs]\nowner = 3\n",
        "not toml at all [",
        "\u{0}\u{1}",
    ] {
        fs::write(broker.path("policy/bad.toml"), bad).unwrap();
        eventually("the status tells", || async {
            let (status, body) = http::get(broker.operations, "/readyz").await?;
            (status == 200 && body.contains("bad.toml:")).then_some(())
        })
        .await;
        client.open_docs().await;
        fs::remove_file(broker.path("policy/bad.toml")).unwrap();
        eventually("the status is clean again", || async {
            let (_, body) = http::get(broker.operations, "/readyz").await?;
            (!body.contains("bad.toml")).then_some(())
        })
        .await;
    }
    let mut operator = Operator::connect(&broker).await;
    assert_eq!(operator.events("policy.refused").await.len(), 3);
}

#[tokio::test]
async fn without_a_good_policy_nothing_is_granted_and_readiness_says_why() {
    let mut broker = Installation::unready(Plan {
        policy: "broken",
        ..Plan::default()
    });
    let address = broker.operations;
    let process = &mut broker.broker;
    let body = eventually("readiness says why", || {
        process.must_run();
        async move {
            let (status, body) = http::get(address, "/readyz").await?;
            (status == 503).then_some(body)
        }
    })
    .await;
    assert!(body.contains("policy.toml:1"), "{body}");
    let mut client = broker.client(CI).await;
    let refused = client
        .open(client.request("deploy-docs"))
        .await
        .unwrap_err();
    assert_eq!(refused.reason, "POLICY_UNAVAILABLE");
    fs::write(broker.path("policy/policy.toml"), POLICY).unwrap();
    broker.wait_until_ready().await;
    client.open_docs().await;
}
