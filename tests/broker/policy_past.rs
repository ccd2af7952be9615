//! A decision of the past is explained by the policy of that day, and replayed against a proposed one.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::support::client::wanted;
use crate::support::eventually;
use crate::support::installation::{Installation, POLICY};
use crate::support::operator::Operator;
use crate::support::process::BINARY;

const CI: &str = "spiffe://acme.example/prod/ci/docs";

/// Runs `taskpass policy …` against the broker: its exit code, and what it wrote as JSON.
fn policy(broker: &Installation, words: &[&str]) -> (Option<i32>, Value) {
    let output = Command::new(BINARY)
        .args(["policy", "--output", "json", "--admin-socket"])
        .arg(broker.path("admin.sock"))
        .args(words)
        .output()
        .unwrap();
    let json = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), json)
}

#[tokio::test]
async fn a_decision_is_explained_by_the_policy_of_that_day() {
    let broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let opened = client.open_docs().await;
    let mut request = client.request("deploy-docs");
    request
        .parameters
        .insert("ref".into(), "refs/heads/main2".into());
    let refused = client.open(request).await.unwrap_err();
    // From now on the task is somebody else's, and the credential is another one.
    let changed = POLICY.replace(
        "spiffe://acme.example/prod/ci/*\"\ncredentials = [\"docs-api\", \"tickets-api\"]",
        "spiffe://acme.example/prod/nobody\"\ncredentials = [\"docs-api\", \"tickets-api\"]",
    );
    assert_ne!(changed, POLICY);
    fs::write(broker.path("policy/policy.toml"), changed).unwrap();
    assert_eq!(policy(&broker, &["reload"]).1["changed"], true);

    let (code, explained) = policy(&broker, &["explain", "--record", &refused.correlation_id]);
    assert_eq!(code, Some(1));
    assert_eq!(explained["record"]["reproduced"], true);
    let grants = &explained["explanation"]["grants"];
    assert_eq!(grants[0]["failed"]["condition"], "params.ref");
    assert_eq!(grants[0]["failed"]["value"], "refs/heads/main2");
    assert_eq!(explained["record"]["today"][0]["kind"], "other_reason");

    let (code, explained) = policy(&broker, &["explain", "--record", &opened.decision_id]);
    assert_eq!((code, &explained["allowed"]), (Some(0), &true.into()));
    assert_eq!(explained["record"]["reproduced"], true);
    assert_eq!(explained["record"]["today"][0]["kind"], "newly_denied");
    let policies = [
        &explained["record"]["policy_today"],
        &explained["explanation"]["decision"]["policy"],
    ];
    assert_ne!(policies[0], policies[1]);

    let hash = policies[1].as_str().unwrap();
    let (_, shown) = policy(&broker, &["show", hash]);
    assert_eq!(shown["files"][0]["content"], POLICY);
}

#[tokio::test]
async fn a_decision_is_explained_by_the_ceilings_of_that_day() {
    let broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let opened = client.open_docs().await;
    let facts = fs::read_to_string(broker.path("installation.toml")).unwrap();
    let stricter = facts.replace("max_ttl = \"1h\"", "max_ttl = \"50m\"");
    assert_ne!(stricter, facts);
    fs::write(broker.path("installation.toml"), stricter).unwrap();
    let (_, reloaded) = policy(&broker, &["reload"]);
    assert_eq!(reloaded["changed"], true, "another snapshot");

    let (code, explained) = policy(&broker, &["explain", "--record", &opened.decision_id]);
    assert_eq!(code, Some(0));
    assert_eq!(explained["record"]["reproduced"], true);
    let then = &explained["explanation"]["decision"]["policy"];
    assert_ne!(then, &explained["record"]["policy_today"]);

    let (_, shown) = policy(&broker, &["show", then.as_str().unwrap()]);
    assert_eq!(shown["installation"]["content"], facts);
    let mut operator = Operator::connect(&broker).await;
    assert_eq!(
        operator.events("policy.loaded").await.len(),
        2,
        "a change of ceilings is on record"
    );
}

#[tokio::test]
async fn what_would_have_come_out_differently_is_listed() {
    let broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    for _ in 0..3 {
        client.open_docs().await;
    }
    for _ in 0..2 {
        client
            .open(client.request("no-such-task"))
            .await
            .unwrap_err();
    }
    let replay = |edit: (&str, &str)| {
        let proposed = broker.path("proposed");
        fs::create_dir_all(&proposed).unwrap();
        let text = POLICY.replacen(edit.0, edit.1, 1);
        fs::write(proposed.join("policy.toml"), text).unwrap();
        let proposed = proposed.to_str().unwrap();
        policy(
            &broker,
            &[
                "replay",
                "--exit-code",
                "--since",
                "1h",
                "--against",
                proposed,
            ],
        )
    };
    let (code, same) = replay(("", ""));
    assert_eq!((code, &same["groups"]), (Some(0), &serde_json::json!([])));
    assert_eq!(same["summary"]["decided"], 4);
    let (code, shorter) = replay(("ttl = \"5m\"", "ttl = \"4m\""));
    assert_eq!(code, Some(1));
    assert_eq!(shorter["summary"]["different"], 3);
    let group = &shorter["groups"][0];
    assert_eq!(group["kind"], "shorter_lifetime");
    assert_eq!(group["about"], "docs-api: 5m → 4m");
    assert_eq!(
        (&group["count"], &group["workloads"]),
        (&3.into(), &"spiffe://acme.example/prod/ci/*".into())
    );
    let examples = group["examples"].as_array().unwrap();
    assert_eq!(examples.len(), 3);
    assert!(
        shorter["groups"].as_array().unwrap().len() == 1,
        "{shorter}"
    );
}

#[tokio::test]
async fn renewals_and_later_credentials_are_explained_and_replayed_from_the_log_and_from_an_export()
{
    let broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let job = client.open_docs().await;
    client.renew(&job.credentials[0].lease_id, 1).await.unwrap();
    let more = client
        .issue(&job.job_id, vec![wanted("tickets-api")])
        .await
        .unwrap();
    let (code, explained) = policy(&broker, &["explain", "--record", &more.decision_id]);
    assert_eq!(code, Some(0), "{explained:#}");
    assert_eq!(explained["record"]["reproduced"], true);

    let proposed = broker.path("proposed");
    fs::create_dir_all(&proposed).unwrap();
    let text = POLICY.replace("ttl = \"5m\"", "ttl = \"4m\"");
    fs::write(proposed.join("policy.toml"), text).unwrap();
    let proposed = proposed.to_str().unwrap();
    let against = ["replay", "--against", proposed];
    let (_, from_log) = policy(&broker, &against);
    assert_eq!(from_log["summary"]["decided"], 3, "{from_log:#}");
    let docs = "docs-api: 5m → 4m";
    let group = |report: &Value| {
        let groups = report["groups"].as_array().unwrap().clone();
        groups
            .into_iter()
            .find(|group| group["about"] == docs)
            .unwrap()
    };
    assert_eq!(group(&from_log)["count"], 2, "{from_log:#}");
    assert_eq!(group(&from_log)["renewals"], 1);

    let export = broker.path("export.jsonl");
    let export = export.to_str().unwrap();
    // What is not signed yet is not exported.
    let from_export = eventually("everything is signed", || async {
        let exported = Command::new(BINARY)
            .args(["audit", "export", "--file", export, "--admin-socket"])
            .arg(broker.path("admin.sock"))
            .status();
        assert!(exported.unwrap().success());
        let (_, report) = policy(&broker, &[&against[..], &["--from", export]].concat());
        fs::remove_file(export).unwrap();
        (report["summary"]["decided"] == 3).then_some(report)
    })
    .await;
    assert_eq!(group(&from_export)["count"], 2);
}
