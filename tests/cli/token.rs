//! `token`: one token on standard output.

use serde_json::{Value, json};

use super::fake_agent::{FakeAgent, JOB};
use super::{stderr, stdout};

#[test]
fn a_token_stands_alone_on_standard_output() {
    let agent = FakeAgent::start();
    let output = agent
        .taskpass(&["token", "--task", "deploy-docs"])
        .output()
        .unwrap();
    assert_eq!((stdout(&output), stderr(&output)), ("first\n", ""));
    let body = &agent.calls()[0].body;
    assert_eq!(
        (&body["anchor"], &body["max_duration_seconds"]),
        (&json!({"type": "ttl"}), &json!(300.0))
    );
}

#[test]
fn programs_get_the_whole_credential() {
    let agent = FakeAgent::start();
    let line = [
        "token",
        "--task",
        "deploy-docs",
        "--pid",
        "1",
        "--output",
        "json",
    ];
    let output = agent.taskpass(&line).output().unwrap();
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["job"], JOB);
    assert_eq!(document["token"], "first");
    assert_eq!(document["revocability"], json!({"kind": "immediate"}));
    let body = &agent.calls()[0].body;
    assert_eq!(
        (&body["anchor"], &body["max_duration_seconds"]),
        (&json!({"type": "process", "pid": 1}), &Value::Null)
    );
}

#[test]
fn several_granted_tokens_are_an_error_and_none_stays_alive() {
    let agent = FakeAgent::start();
    agent.grant(&[("docs-api", "one"), ("db", "two")]);
    let output = agent
        .taskpass(&["token", "--task", "deploy-docs"])
        .output()
        .unwrap();
    assert_eq!((output.status.code(), stdout(&output)), (Some(2), ""));
    insta::assert_snapshot!(stderr(&output), @r"
    error: the task grants 2 tokens
      why: `docs-api`, `db`
      try: name one with --credential
    ");
    assert!(agent.calls()[1].line.starts_with("DELETE "));
}

#[test]
fn a_token_is_issued_to_a_job_that_is_open_already() {
    let agent = FakeAgent::start();
    agent.grant(&[
        ("docs-api", "older"),
        ("docs-api", "newest"),
        ("db", "other"),
    ]);
    let line = ["token", "--job", JOB, "--credential", "docs-api"];
    let output = agent.taskpass(&line).output().unwrap();
    assert_eq!(stdout(&output), "newest\n");
    assert_eq!(
        agent.calls()[0].line,
        format!("POST /v1/jobs/{JOB}/credentials")
    );
}
