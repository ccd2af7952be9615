//! Whatever way a job ends on its node, its credentials end with it.

use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use taskpass_proto::v1;

use crate::support::client::Client;
use crate::support::eventually;
use crate::support::installation::Installation;
use crate::support::local::Local;
use crate::support::operator::Operator;
use crate::support::process::BINARY;

const CI: &str = "spiffe://acme.example/prod/ci/docs";
const VERIFIER: &str = "spiffe://acme.example/prod/docs-api";

async fn refused(verifier: &Client, token: &str) {
    eventually("the token is refused", || {
        let (mut verifier, token) = (verifier.clone(), token.to_owned());
        async move { (!verifier.introspect(&token).await.active).then_some(()) }
    })
    .await;
}

async fn cause(broker: &Installation, job: &str) -> v1::Cause {
    let operator = Operator::connect(broker).await;
    eventually("the job has ended", || {
        let (mut operator, job) = (Operator(operator.0.clone()), job.to_owned());
        async move {
            let job = operator.job(&job).await.job.unwrap();
            (job.state() == v1::JobState::Ended).then(|| job.cause())
        }
    })
    .await
}

#[tokio::test]
async fn a_killed_process_ends_its_job() {
    let broker = Installation::start().await;
    let _agent = broker.agent("agent", CI).await;
    let mut verifier = broker.client(VERIFIER).await;
    let mut local = Local::connect(&broker.path("agent.sock")).await;
    let mut child = Command::new("sleep")
        .arg("60")
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let (job, token) = local
        .open(json!({ "type": "process", "pid": child.id() }))
        .await;
    assert!(verifier.introspect(&token).await.active);
    child.kill().unwrap();
    refused(&verifier, &token).await;
    assert_eq!(cause(&broker, &job).await, v1::Cause::ProcessExited);
    child.wait().unwrap();
}

#[tokio::test]
async fn the_first_exit_of_several_processes_ends_the_job() {
    let broker = Installation::start().await;
    let _agent = broker.agent("agent", CI).await;
    let mut local = Local::connect(&broker.path("agent.sock")).await;
    let sleeper = || {
        Command::new("sleep")
            .arg("60")
            .stdin(Stdio::null())
            .spawn()
            .unwrap()
    };
    let (mut first, mut second) = (sleeper(), sleeper());
    let (job, _) = local
        .open(json!({ "type": "process", "pid": first.id() }))
        .await;
    let more = json!({ "pid": second.id() });
    let (status, _) = local
        .call("POST", &format!("/v1/jobs/{job}/anchors"), &more)
        .await;
    assert_eq!(status, 204);
    second.kill().unwrap();
    assert_eq!(cause(&broker, &job).await, v1::Cause::ProcessExited);
    first.kill().unwrap();
    first.wait().unwrap();
    second.wait().unwrap();
}

#[tokio::test]
async fn a_closed_connection_ends_the_job_that_is_tied_to_it() {
    let broker = Installation::start().await;
    let _agent = broker.agent("agent", CI).await;
    let verifier = broker.client(VERIFIER).await;
    let mut local = Local::connect(&broker.path("agent.sock")).await;
    let (job, token) = local.open(json!({ "type": "connection" })).await;
    drop(local);
    refused(&verifier, &token).await;
    assert_eq!(cause(&broker, &job).await, v1::Cause::JobClosed);
}

#[tokio::test]
async fn a_deleted_job_is_refused_once_the_delete_is_confirmed() {
    let broker = Installation::start().await;
    let _agent = broker.agent("agent", CI).await;
    let mut verifier = broker.client(VERIFIER).await;
    let mut local = Local::connect(&broker.path("agent.sock")).await;
    let (job, token) = local.open(json!({ "type": "ttl" })).await;
    let path = format!("/v1/jobs/{job}?wait_seconds=20");
    let (status, closed) = local.call("DELETE", &path, &serde_json::Value::Null).await;
    assert_eq!((status, &closed["state"]), (200, &json!("confirmed")));
    assert!(!verifier.introspect(&token).await.active);
    let again = local.call("DELETE", &path, &serde_json::Value::Null).await;
    assert_eq!(again, (status, closed));
}

#[tokio::test]
async fn a_stopped_agent_closes_every_job() {
    let broker = Installation::start().await;
    let mut agent = broker.agent("agent", CI).await;
    let mut verifier = broker.client(VERIFIER).await;
    let mut local = Local::connect(&broker.path("agent.sock")).await;
    let (job, token) = local.open(json!({ "type": "ttl" })).await;
    assert!(agent.stop().success());
    assert!(!verifier.introspect(&token).await.active);
    assert_eq!(cause(&broker, &job).await, v1::Cause::JobClosed);
}

#[tokio::test]
async fn run_hands_over_files_passes_the_exit_code_on_and_leaves_nothing() {
    let broker = Installation::start().await;
    let _agent = broker.agent("agent", CI).await;
    let output = Command::new(BINARY)
        .args(["run", "--agent-socket"])
        .arg(broker.path("agent.sock"))
        .args(["--task", "deploy-docs", "--param", "ref=refs/heads/main", "--"])
        .args(["sh", "-c"])
        .arg("stat -c %a $TASKPASS_CREDENTIALS_DIR/docs-api; echo $TASKPASS_CREDENTIALS_DIR; echo $TASKPASS_JOB_ID; env; exit 7")
        .output()
        .unwrap();
    assert_eq!(
        output.status.code(),
        Some(7),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let said = String::from_utf8(output.stdout).unwrap();
    let mut lines = said.lines();
    assert_eq!(lines.next(), Some("600"));
    let directory = lines.next().unwrap();
    assert!(
        !std::path::Path::new(directory).exists(),
        "{directory} was left behind"
    );
    let job = lines.next().unwrap();
    assert!(!said.contains("eyJ"), "a token stands in the environment");
    assert_eq!(cause(&broker, job).await, v1::Cause::ProcessExited);
}

#[tokio::test]
async fn a_run_that_is_killed_takes_its_credentials_along() {
    let broker = Installation::start().await;
    let _agent = broker.agent("agent", CI).await;
    let verifier = broker.client(VERIFIER).await;
    let copy = broker.path("copied-token");
    let script = format!(
        "cat $TASKPASS_CREDENTIALS_DIR/docs-api > {0}.new; echo $$ > {0}.pid; mv {0}.new {0}; exec sleep 60",
        copy.display()
    );
    let mut run = Command::new(BINARY)
        .args(["run", "--agent-socket"])
        .arg(broker.path("agent.sock"))
        .args([
            "--task",
            "deploy-docs",
            "--param",
            "ref=refs/heads/main",
            "--",
            "sh",
            "-c",
            &script,
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually("the job has its token", || {
        let there = copy.exists();
        async move { there.then_some(()) }
    })
    .await;
    let token = std::fs::read_to_string(&copy).unwrap();
    run.kill().unwrap();
    run.wait().unwrap();
    refused(&verifier, token.trim()).await;
    // The command itself outlives a `kill -9` of its supervisor; its credentials do not.
    let orphan = std::fs::read_to_string(format!("{}.pid", copy.display())).unwrap();
    let orphan = Pid::from_raw(orphan.trim().parse().unwrap()).unwrap();
    kill_process(orphan, Signal::KILL).unwrap();
}
