//! The local interface tells callers what is wrong, and shows nobody somebody else's jobs.

use serde_json::{Value, json};

use crate::support::installation::Installation;
use crate::support::local::{Local, request};

const CI: &str = "spiffe://acme.example/prod/ci/docs";

#[tokio::test]
async fn problems_name_the_reason() {
    let broker = Installation::start().await;
    let _agent = broker.agent("agent", CI).await;
    let mut local = Local::connect(&broker.path("agent.sock")).await;
    let with = |change: &dyn Fn(&mut Value)| {
        let mut asked = request(json!({ "type": "ttl" }));
        change(&mut asked);
        asked
    };
    let table = [
        (
            with(&|r| r["task"] = json!("none")),
            403,
            "TASK_NOT_GRANTED",
        ),
        (with(&|r| r["params"] = json!({})), 400, "PARAMETER_MISSING"),
        (
            with(&|r| r["params"] = json!({ "ref": "x y" })),
            400,
            "PARAMETER_INVALID",
        ),
        (with(&|r| r["tsk"] = json!("x")), 400, "REQUEST_INVALID"),
        (
            with(&|r| r["anchor"] = json!({ "type": "moon" })),
            400,
            "REQUEST_INVALID",
        ),
        (
            with(&|r| r["anchor"] = json!({ "type": "process", "pid": 4_000_000 })),
            400,
            "REQUEST_INVALID",
        ),
        (
            with(&|r| r["max_duration_seconds"] = json!(-1)),
            400,
            "REQUEST_INVALID",
        ),
        (json!("nonsense"), 400, "REQUEST_INVALID"),
    ];
    for (asked, status, reason) in table {
        let answer = local.call("POST", "/v1/jobs", &asked).await;
        assert_eq!(
            (answer.0, &answer.1["reason"]),
            (status, &json!(reason)),
            "{asked}"
        );
        assert!(
            answer.1["detail"]
                .as_str()
                .is_some_and(|detail| !detail.is_empty())
        );
    }
    for path in [
        "/v1/jobs/nonsense",
        "/v1/jobs/job_01h455vb4pex5vsknk084sn02q",
    ] {
        let (status, problem) = local.get(path).await;
        assert_eq!((status, &problem["reason"]), (404, &json!("JOB_UNKNOWN")));
    }
}

#[tokio::test]
async fn a_user_who_is_nobody_gets_nothing() {
    let broker = Installation::start().await;
    let agent = broker.agent("agent", CI).await;
    drop(agent);
    let path = broker.path("agent.toml");
    let toml = std::fs::read_to_string(&path).unwrap();
    let uid = rustix::process::geteuid().as_raw();
    let toml = toml.replace(&format!("uids = [{uid}]"), &format!("uids = [{}]", uid + 1));
    std::fs::write(&path, toml).unwrap();
    let _agent = broker.start_agent("agent").await;
    let mut local = Local::connect(&broker.path("agent.sock")).await;
    let asked = request(json!({ "type": "ttl" }));
    let (status, problem) = local.call("POST", "/v1/jobs", &asked).await;
    assert_eq!(
        (status, &problem["reason"]),
        (403, &json!("CALLER_NOT_MAPPED"))
    );
}

#[tokio::test]
async fn lists_shows_issues_and_renews() {
    let broker = Installation::start().await;
    let _agent = broker.agent("agent", CI).await;
    let mut local = Local::connect(&broker.path("agent.sock")).await;
    let (job, _) = local.open(json!({ "type": "connection" })).await;
    let (_, listed) = local.get("/v1/jobs").await;
    assert_eq!(listed["jobs"][0]["job"], job);
    assert!(!listed.to_string().contains("eyJ"), "a list has no tokens");
    let more = json!({ "credentials": [{ "name": "tickets-api" }] });
    let (status, issued) = local
        .call("POST", &format!("/v1/jobs/{job}/credentials"), &more)
        .await;
    assert_eq!(
        (status, &issued["credentials"][0]["name"]),
        (200, &json!("tickets-api"))
    );
    assert_eq!(
        issued["credentials"].as_array().unwrap().len(),
        1,
        "what was issued, no more"
    );
    assert_eq!(
        issued["credentials"][0]["revocability"]["kind"],
        "expiry-only"
    );
    let (status, renewed) = local
        .call("POST", &format!("/v1/jobs/{job}/renew"), &Value::Null)
        .await;
    assert_eq!(status, 200, "{renewed}");
    for credential in renewed["credentials"].as_array().unwrap() {
        assert_eq!(credential["generation"], 2);
    }
}
