//! Renewal: the same lease, the next generation, decided anew and never wider.

use std::fs;

use taskpass_proto::v1;

use crate::support::client::{Client, token};
use crate::support::eventually;
use crate::support::installation::{Installation, POLICY};

const CI: &str = "spiffe://acme.example/prod/ci/docs";
const VERIFIER: &str = "spiffe://acme.example/prod/docs-api";

#[tokio::test]
async fn raises_the_generation_and_leaves_the_older_token_its_own_end() {
    let broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let mut verifier = broker.client(VERIFIER).await;
    let opened = client.open_docs().await;
    let first = &opened.credentials[0];
    let second = client.renew(&first.lease_id, 1).await.unwrap();
    assert_eq!(second.generation, 2);
    assert_eq!(second.lease_id, first.lease_id);
    assert_eq!(second.scopes, first.scopes);
    for credential in [first, &second] {
        assert!(verifier.introspect(token(credential)).await.active);
    }
    client.close(&opened.job_id).await.unwrap();
    for credential in [first, &second] {
        assert!(
            !verifier.introspect(token(credential)).await.active,
            "an end is of all generations"
        );
    }
}

#[tokio::test]
async fn refuses_a_generation_that_is_not_the_current_one() {
    let broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let opened = client.open_docs().await;
    let lease = &opened.credentials[0].lease_id;
    client.renew(lease, 1).await.unwrap();
    for generation in [0, 1, 3] {
        let refused = client.renew(lease, generation).await.unwrap_err();
        assert_eq!(refused.reason, "GENERATION_MISMATCH", "{generation}");
        assert!(refused.message.contains("`2`"), "{}", refused.message);
    }
}

#[tokio::test]
async fn of_many_renewals_at_once_exactly_one_wins() {
    let broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let opened = client.open_docs().await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..32 {
        let (mut client, lease) = (client.clone(), opened.credentials[0].lease_id.clone());
        calls.spawn(async move { client.renew(&lease, 1).await.is_ok() });
    }
    let won = calls
        .join_all()
        .await
        .into_iter()
        .filter(|won| *won)
        .count();
    assert_eq!(won, 1);
}

#[tokio::test]
async fn survives_a_rotation_of_the_svid() {
    let broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let opened = client.open_docs().await;
    let mut rotated = broker.client(CI).await;
    rotated.holder = client.holder.clone();
    rotated
        .renew(&opened.credentials[0].lease_id, 1)
        .await
        .unwrap();
}

#[tokio::test]
async fn is_decided_under_todays_policy() {
    let broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let opened = client.open_docs().await;
    let lease = opened.credentials[0].lease_id.clone();
    client.renew(&lease, 1).await.unwrap();
    // Names a generation that is none: decided first, and refused for the generation if it is granted.
    let attempt = |client: &Client| {
        let (mut client, lease) = (client.clone(), lease.clone());
        async move { client.renew(&lease, 0).await.unwrap_err() }
    };

    for (change, reason) in [
        (
            POLICY.replace("prod/ci/*", "prod/nobody/*"),
            "TASK_NOT_GRANTED",
        ),
        (
            POLICY.replace(r#""docs:read", "docs:write""#, r#""docs:read""#),
            "SCOPE_NOT_GRANTED",
        ),
        (
            POLICY.replace(
                "https://docs.acme.example",
                "https://elsewhere.acme.example",
            ),
            "CREDENTIAL_NOT_GRANTED",
        ),
    ] {
        fs::write(broker.path("policy/policy.toml"), change).unwrap();
        let refused = eventually("the renewal is refused", || {
            let attempt = attempt(&client);
            async move { Some(attempt.await).filter(|r| r.reason != "GENERATION_MISMATCH") }
        })
        .await;
        assert_eq!(refused.reason, reason);
        fs::write(broker.path("policy/policy.toml"), POLICY).unwrap();
        eventually("the renewal is granted again", || {
            let attempt = attempt(&client);
            async move { Some(attempt.await).filter(|r| r.reason == "GENERATION_MISMATCH") }
        })
        .await;
    }
}

#[tokio::test]
async fn never_outlives_the_job() {
    let broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let mut request = client.request("brief");
    request.liveness = v1::Liveness::Heartbeat.into();
    let opened = client.open(request).await.unwrap();
    let ends = opened.lifetime.unwrap().expires_at.unwrap();
    let credential = &opened.credentials[0];
    assert!(credential.lifetime.unwrap().expires_at.unwrap().seconds <= ends.seconds);
    if let Ok(renewed) = client.renew(&credential.lease_id, 1).await {
        assert!(renewed.lifetime.unwrap().expires_at.unwrap().seconds <= ends.seconds);
    }
}
