//! The broker is away: what is valid is served, what is asked fails with a reason, ends are not forgotten.

use serde_json::{Value, json};
use taskpass_proto::v1;

use crate::support::eventually;
use crate::support::installation::{Installation, Plan};
use crate::support::local::{Local, request};
use crate::support::operator::Operator;

const CI: &str = "spiffe://acme.example/prod/ci/docs";

#[tokio::test]
async fn a_valid_credential_is_served_and_an_end_is_repeated_until_confirmed() {
    let mut broker = Installation::with(Plan {
        limit: 30,
        ..Plan::default()
    })
    .await;
    let _agent = broker.agent("agent", CI).await;
    let mut local = Local::connect(&broker.path("agent.sock")).await;
    let (kept, token) = local.open(json!({ "type": "connection" })).await;
    let (ended, _) = local.open(json!({ "type": "ttl" })).await;
    broker.broker.kill();

    let (status, job) = local.get(&format!("/v1/jobs/{kept}")).await;
    assert_eq!(status, 200);
    assert_eq!(job["credentials"][0]["token"], token);
    let path = format!("/v1/jobs/{ended}?wait_seconds=0.1");
    let (status, closed) = local.call("DELETE", &path, &Value::Null).await;
    assert_eq!((status, &closed["state"]), (200, &json!("pending")));
    let (status, problem) = local
        .call("POST", "/v1/jobs", &request(json!({ "type": "ttl" })))
        .await;
    assert_eq!(
        (status, &problem["reason"]),
        (503, &json!("BROKER_UNREACHABLE")),
        "{problem}"
    );

    broker.restart().await;
    let operator = Operator::connect(&broker).await;
    eventually("the end reaches the broker", || {
        let (mut operator, ended) = (Operator(operator.0.clone()), ended.clone());
        async move {
            let job = operator.job(&ended).await.job.unwrap();
            (job.cause() == v1::Cause::JobClosed).then_some(())
        }
    })
    .await;
    eventually("jobs are opened again", || {
        let socket = broker.path("agent.sock");
        async move {
            let mut local = Local::connect(&socket).await;
            let asked = request(json!({ "type": "connection" }));
            let (status, _) = local.call("POST", "/v1/jobs", &asked).await;
            (status == 201).then_some(())
        }
    })
    .await;
    let (_, job) = local.get(&format!("/v1/jobs/{kept}")).await;
    assert_eq!(
        job["state"], "open",
        "a restart of the broker costs nobody its job"
    );
}
