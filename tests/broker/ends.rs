//! Every way a job ends: its tokens stop working, each lease's end is recorded with its cause.

use taskpass_proto::v1;

use crate::support::client::{Client, new_job_id, token};
use crate::support::eventually;
use crate::support::installation::Installation;
use crate::support::operator::Operator;

const CI: &str = "spiffe://acme.example/prod/ci/docs";
const VERIFIER: &str = "spiffe://acme.example/prod/docs-api";

/// The causes of the ends that the audit log has for a job: of the job first, then of its leases.
async fn causes(operator: &mut Operator, job: &str) -> Vec<(String, v1::Cause)> {
    let records = operator.of_job(job).await;
    let ends = records
        .into_iter()
        .filter(|record| ["job.ended", "lease.ended"].contains(&record.event.as_str()));
    ends.map(|record| (record.event.clone(), record.cause()))
        .collect()
}

fn ended(cause: v1::Cause, leases: usize) -> Vec<(String, v1::Cause)> {
    let mut expected = vec![("job.ended".to_owned(), cause)];
    expected.extend((0..leases).map(|_| ("lease.ended".to_owned(), cause)));
    expected
}

async fn inactive(verifier: &Client, token: &str) -> Option<()> {
    let answer = verifier.clone().introspect(token).await;
    (!answer.active).then_some(())
}

#[tokio::test]
async fn closing_a_job_ends_its_tokens_at_once() {
    let broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let mut verifier = broker.client(VERIFIER).await;
    let opened = client.open(client.request("deploy-docs")).await.unwrap();
    let docs = opened
        .credentials
        .iter()
        .find(|c| c.name == "docs-api")
        .unwrap();
    assert!(verifier.introspect(token(docs)).await.active);

    let closed = client.close(&opened.job_id).await.unwrap();
    assert_eq!(closed.progress(), v1::EndProgress::Confirmed);
    assert_eq!(closed.cause(), v1::Cause::JobClosed);
    assert!(
        !verifier.introspect(token(docs)).await.active,
        "confirmed means refused from now on"
    );

    let again = client.close(&opened.job_id).await.unwrap();
    assert_eq!(
        (again.progress(), again.cause()),
        (closed.progress(), closed.cause())
    );
    let mut operator = Operator::connect(&broker).await;
    let expected = ended(v1::Cause::JobClosed, 2);
    assert_eq!(causes(&mut operator, &opened.job_id).await, expected);
}

#[tokio::test]
async fn a_process_exit_is_recorded_as_such() {
    let broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let opened = client.open_docs().await;
    let request = v1::CloseJobRequest {
        job_id: opened.job_id.clone(),
        holder: Some(client.holder.clone()),
        cause: v1::Cause::ProcessExited.into(),
        exit_status: Some(137),
    };
    client.grpc.close_job(request).await.unwrap();
    let mut operator = Operator::connect(&broker).await;
    let expected = ended(v1::Cause::ProcessExited, 1);
    assert_eq!(causes(&mut operator, &opened.job_id).await, expected);
}

#[tokio::test]
async fn a_job_closed_before_it_was_opened_stays_closed() {
    let broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let mut request = client.request("deploy-docs");
    request.job_id = new_job_id().to_string();
    let closed = client.close(&request.job_id).await.unwrap();
    assert_eq!(closed.progress(), v1::EndProgress::Confirmed);
    assert_eq!(client.open(request).await.unwrap_err().reason, "JOB_ENDED");
}

#[tokio::test]
async fn nothing_is_issued_or_renewed_after_the_end() {
    let broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let opened = client.open_docs().await;
    let lease = &opened.credentials[0].lease_id;
    client.close(&opened.job_id).await.unwrap();
    assert_eq!(
        client
            .issue(&opened.job_id, vec![])
            .await
            .unwrap_err()
            .reason,
        "JOB_ENDED"
    );
    assert_eq!(
        client.renew(lease, 1).await.unwrap_err().reason,
        "JOB_ENDED"
    );
}

#[tokio::test]
async fn the_maximum_duration_ends_a_job() {
    let broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let verifier = broker.client(VERIFIER).await;
    let mut request = client.request("brief");
    request.liveness = v1::Liveness::Heartbeat.into();
    let opened = client.open(request).await.unwrap();
    let token = token(&opened.credentials[0]).to_owned();
    eventually("the token is refused", || inactive(&verifier, &token)).await;
    let mut operator = Operator::connect(&broker).await;
    let mut causes_now = Vec::new();
    while causes_now.len() < 2 {
        causes_now = causes(&mut operator, &opened.job_id).await;
    }
    // The credential ends with its job, so either the lease ran out with it or ended by it.
    assert!(
        causes_now.contains(&("job.ended".into(), v1::Cause::MaxDuration)),
        "{causes_now:?}"
    );
}

#[tokio::test]
async fn a_credential_that_is_not_renewed_ends_by_its_lifetime() {
    let broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let mut request = client.request("deploy-docs");
    request.credentials = vec![v1::CredentialRequest {
        lifetime: Some(prost_types::Duration {
            seconds: 1,
            nanos: 0,
        }),
        ..crate::support::client::wanted("docs-api")
    }];
    let opened = client.open(request).await.unwrap();
    let operator = Operator::connect(&broker).await;
    let job = opened.job_id.clone();
    eventually("both ends are recorded", || {
        let (mut operator, job) = (Operator(operator.0.clone()), job.clone());
        async move { (causes(&mut operator, &job).await == ended(v1::Cause::Ttl, 1)).then_some(()) }
    })
    .await;
}

#[tokio::test]
async fn an_operator_ends_a_job_or_a_lease() {
    let broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let mut verifier = broker.client(VERIFIER).await;
    let mut operator = Operator::connect(&broker).await;
    let opened = client.open(client.request("deploy-docs")).await.unwrap();
    let docs = opened
        .credentials
        .iter()
        .find(|c| c.name == "docs-api")
        .unwrap();

    let request = v1::RevokeLeaseRequest {
        lease_id: docs.lease_id.clone(),
        note: "test".into(),
    };
    operator.0.revoke_lease(request).await.unwrap();
    assert!(!verifier.introspect(token(docs)).await.active);
    let refused = client.renew(&docs.lease_id, 1).await.unwrap_err();
    assert_eq!(refused.reason, "LEASE_ENDED");
    let other = opened
        .credentials
        .iter()
        .find(|c| c.name == "tickets-api")
        .unwrap();
    client.renew(&other.lease_id, 1).await.unwrap();

    let request = v1::EndJobRequest {
        job_id: opened.job_id.clone(),
        note: "test".into(),
    };
    let ended = operator.0.end_job(request).await.unwrap().into_inner();
    assert_eq!(ended.cause(), v1::Cause::Operator);
    assert_eq!(
        client.renew(&other.lease_id, 2).await.unwrap_err().reason,
        "JOB_ENDED"
    );
    let records = operator.of_job(&opened.job_id).await;
    assert!(
        records
            .iter()
            .any(|r| r.event == "job.ended" && r.details.contains("uid 0"))
    );
}
