//! A Workload API that says nothing any more: noticed in bounded time, told, and survived with what it gave before.

use std::process::Command;
use std::time::Duration;

use serde_json::json;

use super::workload_api::{Misbehaving, agent, problems, take_from};
use crate::support::installation::{BROKER, Installation};
use crate::support::local::Local;
use crate::support::process::BINARY;
use crate::support::{eventually_within, http};

const CI: &str = "spiffe://acme.example/prod/ci/docs";
/// Seconds since an SVID of an hour was issued that should have been replaced long ago: its successor is missed
/// soon.
const OVERDUE: u64 = 3200;
/// Generous, for three deadlines of ten seconds each.
const LONG: Duration = Duration::from_secs(120);
const SILENT: &str = "said nothing for";

#[tokio::test]
async fn a_stream_that_is_never_answered_is_told_and_the_old_svid_is_kept() {
    let broker = Installation::start().await;
    let api = Misbehaving::start();
    let good = api.svid(&broker.authority, CI, 0);
    api.say("serve", std::slice::from_ref(&good));
    let _agent = agent(&broker, &api.endpoint()).await;
    // Ends the stream, and leaves the next one without a word.
    api.say("hang", &[]);
    eventually_within(LONG, "the agent says so", || async {
        problems(&broker).await.contains(SILENT).then_some(())
    })
    .await;
    let mut local = Local::connect(&broker.path("agent.sock")).await;
    local.open(json!({ "type": "ttl" })).await;
    let said = Command::new(BINARY)
        .args(["status", "--agent-socket"])
        .arg(broker.path("agent.sock"))
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&said.stdout).contains(SILENT));
    api.say("serve", &[good]);
    all_is_well(&broker).await;
}

#[tokio::test]
async fn a_server_that_freezes_after_its_first_message_is_noticed_by_agent_and_broker() {
    let mut broker = Installation::start().await;
    let (of_agent, of_broker) = (Misbehaving::start(), Misbehaving::start());
    of_agent.say("serve", &[of_agent.svid(&broker.authority, CI, OVERDUE)]);
    of_broker.say(
        "serve",
        &[of_broker.svid(&broker.authority, BROKER, OVERDUE)],
    );
    take_from(&mut broker, &of_broker).await;
    let _agent = agent(&broker, &of_agent.endpoint()).await;
    let mut local = Local::connect(&broker.path("agent.sock")).await;
    let (kept, _) = local.open(json!({ "type": "connection" })).await;
    of_agent.freeze();
    of_broker.freeze();
    eventually_within(LONG, "the agent says so", || async {
        problems(&broker).await.contains(SILENT).then_some(())
    })
    .await;
    let counted = r#"taskpass_identity_problems_total{source="workload_api",why="silent"}"#;
    eventually_within(LONG, "the broker counts it", || async {
        let (_, metrics) = http::get(broker.operations, "/metrics").await?;
        http::metric(&metrics, counted).filter(|count| *count > 0.0)
    })
    .await;
    // Both go on with what they have.
    local.open(json!({ "type": "ttl" })).await;
    broker.client(CI).await.open_docs().await;
    let (status, job) = local.get(&format!("/v1/jobs/{kept}")).await;
    assert_eq!((status, &job["state"]), (200, &json!("open")), "{job}");

    of_agent.say("serve", &[of_agent.svid(&broker.authority, CI, 0)]);
    of_agent.thaw();
    of_broker.thaw();
    all_is_well(&broker).await;
    let agent_log = std::fs::read_to_string(broker.path("agent.log")).unwrap();
    assert_eq!(agent_log.matches("svid taken over").count(), 2);
}

async fn all_is_well(broker: &Installation) {
    eventually_within(LONG, "all is well again", || async {
        (problems(broker).await == "[]").then_some(())
    })
    .await;
}
