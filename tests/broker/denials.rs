//! What is refused, with a stable reason for the caller and the whole why in the audit log.

use taskpass_proto::v1;

use crate::support::client::{Client, wanted};
use crate::support::installation::Installation;
use crate::support::operator::Operator;

const CI: &str = "spiffe://acme.example/prod/ci/docs";

async fn reason(client: &mut Client, change: impl FnOnce(&mut v1::OpenJobRequest)) -> String {
    let mut request = client.request("deploy-docs");
    change(&mut request);
    client
        .open(request)
        .await
        .map_or_else(|refused| refused.reason, |_| "allowed".into())
}

#[tokio::test]
async fn gives_a_stable_reason_for_each_kind_of_denial() {
    let broker = Installation::start().await;
    let mut ci = broker.client(CI).await;
    let set = |name: &str, value: &str| {
        let entry = (name.to_owned(), value.to_owned());
        move |r: &mut v1::OpenJobRequest| drop(r.parameters.insert(entry.0, entry.1))
    };
    assert_eq!(reason(&mut ci, |_| {}).await, "allowed");
    assert_eq!(
        reason(&mut ci, |r| r.task = "no-such-task".into()).await,
        "TASK_NOT_GRANTED"
    );
    assert_eq!(
        reason(&mut ci, |r| r.parameters.clear()).await,
        "PARAMETER_MISSING"
    );
    assert_eq!(
        reason(&mut ci, set("branch", "main")).await,
        "PARAMETER_UNDECLARED"
    );
    assert_eq!(
        reason(&mut ci, set("ref", "refs/heads/mainx")).await,
        "PARAMETER_INVALID"
    );
    assert_eq!(
        reason(&mut ci, set("ref", "x/refs/heads/main")).await,
        "PARAMETER_INVALID"
    );
    assert_eq!(
        reason(&mut ci, |r| r.credentials = vec![wanted("root")]).await,
        "CREDENTIAL_NOT_GRANTED"
    );
    let scopes = vec!["docs:read".into(), "docs:admin".into()];
    let asked = v1::CredentialRequest {
        scopes,
        ..wanted("docs-api")
    };
    assert_eq!(
        reason(&mut ci, |r| r.credentials = vec![asked]).await,
        "SCOPE_NOT_GRANTED"
    );
}

#[tokio::test]
async fn an_unknown_task_and_an_ungranted_one_are_answered_alike() {
    let broker = Installation::start().await;
    let mut stranger = broker.client("spiffe://acme.example/prod/other").await;
    let mut answers = Vec::new();
    for task in ["deploy-docs", "no-such-task"] {
        let mut refused = stranger.open(stranger.request(task)).await.unwrap_err();
        refused.correlation_id.clear();
        answers.push(refused);
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0].reason, "TASK_NOT_GRANTED");
}

#[tokio::test]
async fn a_workload_without_the_grant_learns_nothing_of_its_parameters() {
    let broker = Installation::start().await;
    let mut stranger = broker.client("spiffe://acme.example/prod/other").await;
    assert_eq!(
        reason(&mut stranger, |r| r.parameters.clear()).await,
        "TASK_NOT_GRANTED"
    );
}

#[tokio::test]
async fn a_workload_of_one_environment_never_gets_the_credential_of_another() {
    let policy = crate::support::installation::POLICY.replace(
        r#"workload = "spiffe://acme.example/prod/ci/*"
credentials = ["docs-api", "tickets-api"]"#,
        r#"workload = ["spiffe://acme.example/prod/ci/*", "spiffe://acme.example/dev/ci/*"]
credentials = ["docs-api", "tickets-api"]"#,
    );
    let plan = crate::support::installation::Plan {
        policy: &policy,
        ..Default::default()
    };
    let broker = Installation::with(plan).await;
    let mut dev = broker.client("spiffe://acme.example/dev/ci/docs").await;
    let opened = dev.open(dev.request("deploy-docs")).await.unwrap();
    let names: Vec<_> = opened.credentials.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(
        names,
        ["tickets-api"],
        "what is for any environment, and no more"
    );
    let asked = reason(&mut dev, |r| r.credentials = vec![wanted("docs-api")]).await;
    assert_eq!(asked, "CREDENTIAL_NOT_GRANTED");
}

#[tokio::test]
async fn the_audit_log_has_the_whole_why_under_the_callers_correlation_id() {
    let broker = Installation::start().await;
    let mut ci = broker.client(CI).await;
    let mut request = ci.request("deploy-docs");
    request
        .parameters
        .insert("ref".into(), "refs/heads/feature".into());
    let refused = ci.open(request).await.unwrap_err();
    assert!(!refused.message.contains("feature"), "{}", refused.message);

    let mut operator = Operator::connect(&broker).await;
    let record = operator.decision(&refused.correlation_id).await;
    assert_eq!(record.event, "job.denied");
    assert_eq!(record.outcome, "PARAMETER_INVALID");
    assert_eq!(record.subject, CI);
    assert!(
        record.details.contains("refs/heads/feature"),
        "{}",
        record.details
    );
    assert!(record.details.contains("policy.toml"), "{}", record.details);
}

#[tokio::test]
async fn the_same_denial_again_is_counted_under_the_first_ones_id() {
    let broker = Installation::start().await;
    let mut stranger = broker.client("spiffe://acme.example/prod/other").await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        let refused = stranger
            .open(stranger.request("deploy-docs"))
            .await
            .unwrap_err();
        ids.push(refused.correlation_id);
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
    let mut operator = Operator::connect(&broker).await;
    assert_eq!(operator.events("job.denied").await.len(), 1);
}

#[tokio::test]
async fn a_proof_of_another_subject_and_a_binding_are_refused() {
    let broker = Installation::start().await;
    let mut ci = broker.client(CI).await;
    let proof = v1::open_job_request::SubjectProof::JwtSvid(v1::JwtSvidProof { token: "x".into() });
    let got = reason(&mut ci, |r| r.subject_proof = Some(proof)).await;
    assert_eq!(got, "SUBJECT_PROOF_UNSUPPORTED");
    let binding = v1::credential_request::Binding::Jkt(vec![1; 32]);
    let asked = v1::CredentialRequest {
        binding: Some(binding),
        ..wanted("docs-api")
    };
    assert_eq!(
        reason(&mut ci, |r| r.credentials = vec![asked]).await,
        "BINDING_UNSUPPORTED"
    );
}

#[tokio::test]
async fn one_workloads_flood_is_refused_with_a_hint_and_does_not_starve_another() {
    let more = "[limits]\ncalls_per_second = 5\ncall_burst = 5";
    let plan = crate::support::installation::Plan {
        more,
        ..Default::default()
    };
    let broker = Installation::with(plan).await;
    let mut flood = broker.client(CI).await;
    let mut limited = 0;
    let mut last = None;
    for _ in 0..40 {
        let opened = flood.open(flood.request("deploy-docs")).await;
        match opened {
            Ok(opened) => last = Some(opened.job_id),
            Err(refused) => {
                assert_eq!(refused.reason, "RATE_LIMITED");
                limited += 1;
            }
        }
    }
    assert!(limited > 0);
    // What it has it can give back all the same.
    flood.close(&last.unwrap()).await.unwrap();
    let mut other = broker.client("spiffe://acme.example/prod/ci/other").await;
    other.open_docs().await;
}

#[tokio::test]
async fn a_flood_of_closes_for_ids_that_never_were_is_counted_and_real_closes_are_not() {
    let more = "[limits]\ncalls_per_second = 5\ncall_burst = 20";
    let plan = crate::support::installation::Plan {
        more,
        ..Default::default()
    };
    let broker = Installation::with(plan).await;
    let mut ci = broker.client(CI).await;
    let opened = ci.open_docs().await;
    let mut limited = 0;
    for _ in 0..60 {
        let id = crate::support::client::new_job_id().to_string();
        match ci.close(&id).await {
            Ok(_) => {}
            Err(refused) => {
                assert_eq!(refused.reason, "RATE_LIMITED");
                limited += 1;
            }
        }
    }
    assert!(limited > 0);
    ci.close(&opened.job_id).await.unwrap();
}

#[tokio::test]
async fn a_request_that_is_too_large_is_refused_by_name() {
    let broker = Installation::start().await;
    let mut ci = broker.client(CI).await;
    let many = |r: &mut v1::OpenJobRequest| {
        r.parameters = (0..32)
            .map(|n| (format!("p{n}"), "x".repeat(1024)))
            .collect();
        r.credentials = vec![
            v1::CredentialRequest {
                scopes: vec!["s".repeat(256); 64],
                ..wanted("a")
            };
            3
        ];
    };
    assert_eq!(reason(&mut ci, many).await, "REQUEST_TOO_LARGE");
}
