//! `kill -9` of the agent: what is still the same process is taken up again, everything else is closed.

use std::process::{Command, Stdio};

use serde_json::json;
use taskpass_proto::v1;

use crate::support::eventually;
use crate::support::installation::{Installation, Plan};
use crate::support::local::Local;
use crate::support::operator::Operator;

const CI: &str = "spiffe://acme.example/prod/ci/docs";
const VERIFIER: &str = "spiffe://acme.example/prod/docs-api";

#[tokio::test]
async fn a_job_whose_process_lives_is_taken_up_again_with_fresh_tokens() {
    let broker = Installation::with(Plan {
        limit: 10,
        ..Plan::default()
    })
    .await;
    let mut agent = broker.agent("agent", CI).await;
    let mut verifier = broker.client(VERIFIER).await;
    let mut local = Local::connect(&broker.path("agent.sock")).await;
    let mut child = Command::new("sleep")
        .arg("60")
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let (kept, before) = local
        .open(json!({ "type": "process", "pid": child.id() }))
        .await;
    let (dropped, lost) = local.open(json!({ "type": "ttl" })).await;
    let mut gone = Command::new("sleep")
        .arg("60")
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let (ended, _) = local
        .open(json!({ "type": "process", "pid": gone.id() }))
        .await;

    agent.kill();
    gone.kill().unwrap();
    gone.wait().unwrap();
    let _agent = broker.start_agent("agent").await;
    let socket = broker.path("agent.sock");
    let credential = eventually("the job has a token again", || {
        let path = format!("/v1/jobs/{kept}");
        let socket = socket.clone();
        async move {
            let (_, job) = Local::connect(&socket).await.get(&path).await;
            job["credentials"].get(0).cloned()
        }
    })
    .await;
    assert_eq!(credential["generation"], 2);
    assert_eq!(credential["name"], "docs-api");
    assert!(
        verifier
            .introspect(credential["token"].as_str().unwrap())
            .await
            .active
    );
    // The older token of a live job has its own end.
    assert!(verifier.introspect(&before).await.active);

    let operator = Operator::connect(&broker).await;
    for job in [&dropped, &ended] {
        eventually("the other jobs are closed", || {
            let (mut operator, job) = (Operator(operator.0.clone()), job.clone());
            async move {
                let job = operator.job(&job).await.job.unwrap();
                (job.state() == v1::JobState::Ended).then_some(())
            }
        })
        .await;
    }
    assert!(!verifier.introspect(&lost).await.active);
    child.kill().unwrap();
    child.wait().unwrap();
    eventually("the exit ends the job that was taken up", || {
        let (mut operator, job) = (Operator(operator.0.clone()), kept.clone());
        async move {
            let job = operator.job(&job).await.job.unwrap();
            (job.cause() == v1::Cause::ProcessExited).then_some(())
        }
    })
    .await;
}

#[tokio::test]
async fn an_agent_that_stays_dead_loses_its_jobs_within_the_limit() {
    let broker = Installation::start().await;
    let mut agent = broker.agent("agent", CI).await;
    let verifier = broker.client(VERIFIER).await;
    let mut local = Local::connect(&broker.path("agent.sock")).await;
    let (job, token) = local.open(json!({ "type": "ttl" })).await;
    agent.kill();
    eventually("the token is refused", || {
        let (mut verifier, token) = (verifier.clone(), token.clone());
        async move { (!verifier.introspect(&token).await.active).then_some(()) }
    })
    .await;
    let job = Operator::connect(&broker)
        .await
        .job(&job)
        .await
        .job
        .unwrap();
    assert_eq!(job.cause(), v1::Cause::HeartbeatLost);
}

#[tokio::test]
async fn no_token_is_ever_written_to_the_state_directory() {
    let broker = Installation::start().await;
    let mut agent = broker.agent("agent", CI).await;
    let mut local = Local::connect(&broker.path("agent.sock")).await;
    let (_, token) = local.open(json!({ "type": "ttl" })).await;
    agent.kill();
    let signature = token.rsplit('.').next().unwrap();
    for entry in std::fs::read_dir(broker.path("agent.state")).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_file() {
            continue;
        }
        let content = std::fs::read(&path).unwrap();
        let content = String::from_utf8_lossy(&content);
        assert!(!content.contains(signature), "{}", path.display());
    }
    assert!(!agent.log().contains(signature) && !broker.broker.log().contains(signature));
    let store = std::fs::read(broker.path("taskpass.db-wal")).unwrap();
    assert!(
        !String::from_utf8_lossy(&store).contains(signature),
        "the store holds a token"
    );
}
