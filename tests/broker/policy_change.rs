//! What a change of policy does to jobs that are open already.

use std::fs;

use taskpass_proto::v1;
use tokio::task::JoinSet;

use crate::support::client::{Client, wanted};
use crate::support::eventually;
use crate::support::installation::{FACTS, Installation, POLICY, Plan};
use crate::support::operator::Operator;

const CI: &str = "spiffe://acme.example/prod/ci/docs";
const DOCS_API: &str = "spiffe://acme.example/prod/docs-api";
const BOTH: &str = r#"credentials = ["docs-api", "tickets-api"]"#;
const TICKETS_ONLY: &str = r#"credentials = ["tickets-api"]"#;

#[tokio::test]
async fn a_grant_that_is_taken_away_ends_the_jobs_that_stand_on_it_and_no_other() {
    let broker = strict().await;
    let mut client = broker.client(CI).await;
    let docs = client.open_docs().await;
    let tickets = open(&mut client, "tickets-api").await;
    write_policy(&broker, &POLICY.replace(BOTH, TICKETS_ONLY));
    let mut operator = Operator::connect(&broker).await;
    ended(&operator, &docs.job_id).await;
    let mut verifier = broker.client(DOCS_API).await;
    let token = String::from_utf8(docs.credentials[0].secret.clone()).unwrap();
    assert!(!verifier.introspect(&token).await.active);
    let lease = &tickets.credentials[0].lease_id;
    client
        .renew(lease, 1)
        .await
        .expect("what is still granted goes on");
    let records = operator.of_job(&docs.job_id).await;
    let end = records.iter().find(|r| r.event == "job.ended").unwrap();
    assert_eq!(end.cause(), v1::Cause::PolicyChanged);
    assert!(
        end.details.contains(r#""credential":"docs-api""#),
        "{}",
        end.details
    );
    assert!(
        end.details.contains("CREDENTIAL_NOT_GRANTED"),
        "{}",
        end.details
    );
}

#[tokio::test]
async fn jobs_go_on_to_their_next_renewal_unless_the_installation_says_otherwise() {
    let broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let docs = client.open_docs().await;
    write_policy(&broker, &POLICY.replace(BOTH, TICKETS_ONLY));
    let lease = &docs.credentials[0].lease_id;
    eventually("the renewal is refused", || {
        let (mut client, lease) = (client.clone(), lease.clone());
        async move {
            // A renewal under the policy before leaves this generation behind; the decision comes first.
            let refused = client.renew(&lease, 1).await.err()?;
            (refused.reason == "CREDENTIAL_NOT_GRANTED").then_some(())
        }
    })
    .await;
    let mut operator = Operator::connect(&broker).await;
    // Whoever looks at open jobs has looked by the time that a second change is in force.
    write_policy(
        &broker,
        &POLICY.replace(BOTH, TICKETS_ONLY).replace("30m", "29m"),
    );
    eventually("the second change is in force", || {
        let mut operator = operator.clone();
        async move { (operator.events("policy.loaded").await.len() == 3).then_some(()) }
    })
    .await;
    let records = operator.of_job(&docs.job_id).await;
    assert!(records.iter().all(|record| record.event != "job.ended"));
}

#[tokio::test]
async fn a_change_made_while_the_broker_was_down_counts() {
    let mut broker = strict().await;
    let docs = broker.client(CI).await.open_docs().await;
    broker.broker.kill();
    write_policy(&broker, &POLICY.replace("prod/ci/*", "prod/nobody/*"));
    broker.restart().await;
    ended(&Operator::connect(&broker).await, &docs.job_id).await;
}

#[tokio::test]
async fn no_job_slips_through_that_was_decided_under_the_policy_before() {
    let facts = facts();
    let policy = POLICY.replace("max_duration = \"2s\"", "max_duration = \"1h\"");
    let broker = Installation::with(Plan {
        policy: &policy.replace("max_live_jobs = 2", "max_live_jobs = 100000"),
        facts: &facts,
        more: "[limits]\ncalls_per_second = 100000\ncall_burst = 100000\n",
        ..Plan::default()
    })
    .await;
    let clients = futures_util::future::join_all((0..4).map(|_| broker.client(CI))).await;
    let open_until_refused = |mut client: Client| async move {
        let mut jobs = Vec::new();
        loop {
            match client.open(client.request("few")).await {
                Ok(job) => jobs.push(job.job_id),
                Err(refused) => {
                    assert_eq!(refused.reason, "TASK_NOT_GRANTED");
                    return jobs;
                }
            }
        }
    };
    let mut openers: JoinSet<_> = clients.into_iter().map(open_until_refused).collect();
    let operator = Operator::connect(&broker).await;
    eventually("jobs are open", || {
        let mut operator = operator.clone();
        async move { (operator.events("job.opened").await.len() > 20).then_some(()) }
    })
    .await;
    write_policy(&broker, &policy.replace("prod/ci/*", "prod/nobody/*"));
    while let Some(jobs) = openers.join_next().await {
        for job in jobs.unwrap() {
            ended(&operator, &job).await;
        }
    }
}

/// A broker whose installation wants jobs ended.
async fn strict() -> Installation {
    Installation::with(Plan {
        facts: &facts(),
        ..Plan::default()
    })
    .await
}

fn facts() -> String {
    format!("on_withdrawn_grant = \"end-jobs\"\n{FACTS}")
}

/// Replaces the policy in one step, so that no half of it is read.
fn write_policy(broker: &Installation, policy: &str) {
    let draft = broker.path("draft.toml");
    fs::write(&draft, policy).unwrap();
    fs::rename(draft, broker.path("policy/policy.toml")).unwrap();
}

async fn open(client: &mut Client, credential: &str) -> v1::OpenJobResponse {
    let mut request = client.request("deploy-docs");
    request.credentials = vec![wanted(credential)];
    client.open(request).await.unwrap()
}

async fn ended(operator: &Operator, job: &str) {
    eventually("the job ends for the change of policy", || {
        let (mut operator, job) = (operator.clone(), job.to_owned());
        async move {
            let records = operator.of_job(&job).await;
            let ended = |r: &v1::AuditRecord| {
                r.event == "job.ended" && r.cause() == v1::Cause::PolicyChanged
            };
            records.iter().any(ended).then_some(())
        }
    })
    .await;
}
