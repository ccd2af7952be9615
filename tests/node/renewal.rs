//! Renewal before expiry, without an interruption.

use serde_json::json;

use crate::support::eventually;
use crate::support::installation::{Installation, POLICY, Plan};
use crate::support::local::Local;

const CI: &str = "spiffe://acme.example/prod/ci/docs";
const VERIFIER: &str = "spiffe://acme.example/prod/docs-api";

#[tokio::test]
async fn at_no_moment_is_there_no_valid_token() {
    let policy = POLICY.replace("ttl = \"5m\"", "ttl = \"3s\"");
    let broker = Installation::with(Plan {
        policy: &policy,
        ..Plan::default()
    })
    .await;
    let _agent = broker.agent("agent", CI).await;
    let mut verifier = broker.client(VERIFIER).await;
    let mut local = Local::connect(&broker.path("agent.sock")).await;
    let (job, _) = local.open(json!({ "type": "connection" })).await;
    let path = format!("/v1/jobs/{job}");
    let mut generation = 0;
    while generation < 5 {
        let (_, job) = local.get(&path).await;
        let credential = &job["credentials"][0];
        let token = credential["token"]
            .as_str()
            .expect("there is a token at every moment");
        assert!(verifier.introspect(token).await.active, "and it is valid");
        generation = credential["generation"].as_u64().unwrap();
    }
}

#[tokio::test]
async fn connections_age_and_svids_rotate_without_a_failed_call() {
    let more =
        "[limits]\nconnection_max_age = \"6s\"\ncalls_per_second = 100000\ncall_burst = 100000";
    let broker = Installation::with(Plan {
        more,
        ..Plan::default()
    })
    .await;
    let _agent = broker.agent("agent", CI).await;
    let mut local = Local::connect(&broker.path("agent.sock")).await;
    let (long, _) = local.open(json!({ "type": "connection" })).await;
    let began = std::time::Duration::from_secs(14);
    let deadline = tokio::time::Instant::now() + began;
    let mut rounds = 0;
    while tokio::time::Instant::now() < deadline {
        let (job, _) = local.open(json!({ "type": "ttl" })).await;
        let path = format!("/v1/jobs/{job}?wait_seconds=20");
        let (status, closed) = local.call("DELETE", &path, &serde_json::Value::Null).await;
        assert_eq!(
            (status, &closed["state"]),
            (200, &json!("confirmed")),
            "{closed}"
        );
        if rounds % 50 == 0 {
            crate::support::installation::write_svid(&broker.authority, &broker.path("agent"), CI);
        }
        rounds += 1;
    }
    let (status, job) = local.get(&format!("/v1/jobs/{long}")).await;
    assert_eq!(
        (status, &job["state"]),
        (200, &json!("open")),
        "the heartbeat never broke off"
    );
    eventually("the status is good", || {
        let socket = broker.path("agent.sock");
        async move {
            let (_, status) = Local::connect(&socket).await.get("/v1/status").await;
            (status["broker"]["connected"] == true).then_some(())
        }
    })
    .await;
}
