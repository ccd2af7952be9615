//! Policy changes as its files change; a bad file changes nothing.

use std::fs;
use std::process::Command;

use crate::support::eventually;
use crate::support::http;
use crate::support::installation::{Installation, POLICY, Plan};
use crate::support::operator::Operator;
use crate::support::process::BINARY;

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
        async move {
            let opened = match client.open(client.request("deploy-docs")).await {
                Ok(opened) => opened,
                Err(refused) => return Some(refused),
            };
            // However long the change takes, these never fill the workload's share.
            client.close(&opened.job_id).await.unwrap();
            None
        }
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
async fn operators_see_what_is_in_force_and_why_newer_files_are_not() {
    let broker = Installation::start().await;
    let (code, status) = policy(&broker, "status");
    assert_eq!(code, Some(0));
    assert_eq!(status["files"], serde_json::json!(["policy.toml"]));
    assert_eq!(
        (&status["tasks"], &status["grants"]),
        (&3.into(), &3.into())
    );
    assert_eq!(status["ends_jobs_of_withdrawn_grants"], false);
    let before = status["policy"].as_str().unwrap().to_owned();
    fs::write(broker.path("policy/bad.toml"), "[task.deploy-docs]\n").unwrap();
    assert_eq!(policy(&broker, "reload").0, Some(1));
    let (code, status) = policy(&broker, "status");
    assert_eq!(code, Some(1), "a monitor can rely on it");
    assert_eq!(status["policy"], before);
    let why = status["refused"]["why"].as_str().unwrap();
    assert!(why.contains("bad.toml:1"), "{why}");
    assert!(why.lines().count() > 1, "several mistakes: {why}");
    for command in ["status", "reload"] {
        let output = Command::new(BINARY)
            .args(["policy", command])
            .env("TASKPASS_ADMIN_SOCKET", broker.path("admin.sock"))
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(!said.contains("\\n"), "{command}: {said}");
        for line in why.lines() {
            assert!(said.contains(line), "{command}: {said}");
        }
    }
    assert_eq!(metric(&broker, "taskpass_policy_refused").await, "1");
    let info = format!("taskpass_policy_info{{policy=\"{before}\"}}");
    assert_eq!(metric(&broker, &info).await, "1");
    fs::remove_file(broker.path("policy/bad.toml")).unwrap();
    fs::write(
        broker.path("policy/policy.toml"),
        POLICY.replace("30m", "20m"),
    )
    .unwrap();
    let (code, reloaded) = policy(&broker, "reload");
    assert_eq!((code, &reloaded["changed"]), (Some(0), &true.into()));
    assert_ne!(reloaded["policy"], before);
    assert_eq!(policy(&broker, "status").0, Some(0));
    assert_eq!(metric(&broker, "taskpass_policy_refused").await, "0");
    assert_eq!(metric(&broker, &info).await, "0");
}

/// `taskpass policy …`: its exit code and its document.
fn policy(broker: &Installation, command: &str) -> (Option<i32>, serde_json::Value) {
    let output = Command::new(BINARY)
        .args(["policy", command, "--output", "json"])
        .env("TASKPASS_ADMIN_SOCKET", broker.path("admin.sock"))
        .output()
        .unwrap();
    let document = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code(), document)
}

async fn metric(broker: &Installation, name: &str) -> String {
    let (_, metrics) = http::get(broker.operations, "/metrics").await.unwrap();
    let value = |line: &str| Some(line.strip_prefix(name)?.trim().to_owned());
    metrics.lines().find_map(value).unwrap_or_default()
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
