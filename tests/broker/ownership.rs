//! Knowing an id is worth nothing: only the same workload and the same holder may act on a job.

use taskpass_proto::v1;

use crate::support::client::{Client, new_job_id, random};
use crate::support::installation::Installation;

const CI: &str = "spiffe://acme.example/prod/ci/docs";

/// What every call about a job answers, without the correlation ids.
async fn answers(client: &mut Client, job: &str) -> [String; 3] {
    let lease = format!("lease_{}_1", job.strip_prefix("job_").unwrap());
    let renewed = client.renew(&lease, 1).await.map_err(|mut refused| {
        refused.correlation_id.clear();
        refused
    });
    let issued = client.issue(job, vec![]).await.map_err(|mut refused| {
        refused.correlation_id.clear();
        refused
    });
    let closed = client.close(job).await;
    [
        format!("{renewed:?}"),
        format!("{issued:?}"),
        format!("{closed:?}"),
    ]
}

#[tokio::test]
async fn somebody_elses_job_is_answered_as_one_that_does_not_exist() {
    let broker = Installation::start().await;
    let mut victim = broker.client(CI).await;
    let opened = victim.open_docs().await;

    let other_workload = broker.client("spiffe://acme.example/prod/ci/other").await;
    let mut other_holder = victim.clone();
    other_holder.holder.secret = random::<32>().to_vec();
    let mut stolen_secret = broker.client("spiffe://acme.example/prod/ci/other").await;
    stolen_secret.holder = victim.holder.clone();

    for mut attacker in [other_workload, other_holder, stolen_secret] {
        let theirs = answers(&mut attacker, &opened.job_id).await;
        let nobodys = answers(&mut attacker, &new_job_id().to_string()).await;
        assert_eq!(theirs, nobodys);
        assert!(theirs[0].contains("LEASE_UNKNOWN") && theirs[1].contains("JOB_UNKNOWN"));
    }
    // Nothing of that had any effect.
    victim
        .renew(&opened.credentials[0].lease_id, 1)
        .await
        .unwrap();
}

#[tokio::test]
async fn somebody_elses_job_id_cannot_be_opened() {
    let broker = Installation::start().await;
    let mut victim = broker.client(CI).await;
    let opened = victim.open_docs().await;
    let mut attacker = broker.client("spiffe://acme.example/prod/ci/other").await;
    let mut request = attacker.request("deploy-docs");
    request.job_id = opened.job_id;
    let refused = attacker.open(request).await.unwrap_err();
    assert_eq!(refused.reason, "JOB_ID_REUSED");
    assert!(
        !refused.message.contains("spiffe://"),
        "{}",
        refused.message
    );
}

#[tokio::test]
async fn a_newer_start_of_a_holder_takes_over_also_across_a_restart() {
    let mut broker = Installation::start().await;
    let mut old = broker.client(CI).await;
    let opened = old.open_docs().await;
    let lease = &opened.credentials[0].lease_id;
    let mut new = old.clone();
    new.holder.incarnation = 2;
    new.renew(lease, 1).await.unwrap();
    assert_eq!(old.renew(lease, 2).await.unwrap_err().reason, "SUPERSEDED");
    broker.broker.kill();
    broker.restart().await;
    let holder = old.holder.clone();
    let mut old = broker.client(CI).await;
    old.holder = holder;
    assert_eq!(old.renew(lease, 2).await.unwrap_err().reason, "SUPERSEDED");
    // What is given back is taken from anybody who held it.
    let closed = old.close(&opened.job_id).await.unwrap();
    assert_eq!(closed.progress(), v1::EndProgress::Confirmed);
}

#[tokio::test]
async fn malformed_holders_and_ids_are_refused_by_name() {
    let broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let mut request = client.request("deploy-docs");
    request.holder.as_mut().unwrap().secret.truncate(16);
    let refused = client.open(request).await.unwrap_err();
    assert_eq!(refused.reason, "REQUEST_INVALID");
    assert!(
        refused.message.contains("holder.secret"),
        "{}",
        refused.message
    );
    let refused = client.close("job_nonsense").await.unwrap_err();
    assert_eq!(refused.reason, "REQUEST_INVALID");
}
