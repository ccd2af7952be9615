//! Operators: bans, lists, and a socket that is theirs alone.

use std::os::unix::fs::PermissionsExt;

use taskpass_proto::v1;
use taskpass_proto::v1::ban_request::Target;

use crate::support::client::token;
use crate::support::installation::Installation;
use crate::support::operator::Operator;

const CI: &str = "spiffe://acme.example/prod/ci/docs";
const VERIFIER: &str = "spiffe://acme.example/prod/docs-api";

#[tokio::test]
async fn a_ban_refuses_every_call_and_ends_the_jobs_also_after_a_restart() {
    let mut broker = Installation::start().await;
    let mut banned = broker.client(CI).await;
    let mut verifier = broker.client(VERIFIER).await;
    let opened = banned.open_docs().await;
    let mut operator = Operator::connect(&broker).await;
    let request = v1::BanRequest {
        target: Some(Target::SpiffeId(CI.into())),
        until: None,
        note: "the key leaked".into(),
    };
    let ended = operator
        .0
        .ban(request)
        .await
        .unwrap()
        .into_inner()
        .ended_jobs;
    assert_eq!(ended, 1);
    assert!(
        !verifier
            .introspect(token(&opened.credentials[0]))
            .await
            .active
    );
    let refused = banned
        .open(banned.request("deploy-docs"))
        .await
        .unwrap_err();
    assert_eq!(refused.reason, "WORKLOAD_BANNED");
    let job = operator.job(&opened.job_id).await.job.unwrap();
    assert_eq!(job.cause(), v1::Cause::WorkloadBanned);

    broker.broker.kill();
    broker.restart().await;
    let mut banned = broker.client(CI).await;
    let refused = banned
        .open(banned.request("deploy-docs"))
        .await
        .unwrap_err();
    assert_eq!(refused.reason, "WORKLOAD_BANNED");
    let mut operator = Operator::connect(&broker).await;
    let bans = operator
        .0
        .list_bans(v1::ListBansRequest {})
        .await
        .unwrap()
        .into_inner()
        .bans;
    assert_eq!(bans[0].note, "the key leaked");
    let target = Some(v1::unban_request::Target::SpiffeId(CI.into()));
    let request = v1::UnbanRequest {
        target,
        note: "rotated".into(),
    };
    operator.0.unban(request.clone()).await.unwrap();
    assert_eq!(
        operator.0.unban(request).await.unwrap_err().code(),
        tonic::Code::NotFound
    );
    banned.open_docs().await;
}

#[tokio::test]
async fn a_ban_on_a_holder_leaves_other_holders_of_the_workload_alone() {
    let broker = Installation::start().await;
    let mut one = broker.client(CI).await;
    let mut other = broker.client(CI).await;
    let opened = one.open_docs().await;
    let mut operator = Operator::connect(&broker).await;
    let holder = operator.job(&opened.job_id).await.holder;
    let request = v1::BanRequest {
        target: Some(Target::Holder(holder)),
        until: None,
        note: "x".into(),
    };
    operator.0.ban(request).await.unwrap();
    let refused = one.open(one.request("deploy-docs")).await.unwrap_err();
    assert_eq!(refused.reason, "WORKLOAD_BANNED");
    other.open_docs().await;
}

#[tokio::test]
async fn a_ban_without_a_reason_or_of_nobody_is_refused() {
    let broker = Installation::start().await;
    let mut operator = Operator::connect(&broker).await;
    for request in [
        v1::BanRequest {
            target: Some(Target::SpiffeId(CI.into())),
            ..Default::default()
        },
        v1::BanRequest {
            note: "x".into(),
            ..Default::default()
        },
        v1::BanRequest {
            target: Some(Target::SpiffeId("nobody".into())),
            note: "x".into(),
            ..Default::default()
        },
        v1::BanRequest {
            target: Some(Target::SpiffeId(CI.into())),
            note: "x".into(),
            until: Some(prost_types::Timestamp {
                seconds: 1,
                nanos: 0,
            }),
        },
    ] {
        let refused = operator.0.ban(request).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    }
}

#[tokio::test]
async fn the_socket_is_its_owners_alone_and_every_call_is_recorded() {
    let broker = Installation::start().await;
    let mode = std::fs::metadata(broker.path("admin.sock"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut operator = Operator::connect(&broker).await;
    operator
        .0
        .list_jobs(v1::ListJobsRequest::default())
        .await
        .unwrap();
    let called = operator.events("admin.called").await;
    assert!(
        called
            .iter()
            .any(|record| record.details.contains("ListJobs"))
    );
}

#[tokio::test]
async fn lists_are_paged_and_filtered() {
    let broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(client.open_docs().await.job_id);
    }
    client.close(&ids[0]).await.unwrap();
    let mut operator = Operator::connect(&broker).await;
    let mut found = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = v1::ListJobsRequest {
            page_size: 2,
            page_token,
            ..Default::default()
        };
        let page = operator.0.list_jobs(request).await.unwrap().into_inner();
        found.extend(page.jobs.into_iter().map(|job| job.job_id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    found.reverse();
    assert_eq!(found, ids);
    let request = v1::ListLeasesRequest {
        state: v1::LeaseState::Active.into(),
        ..Default::default()
    };
    let leases = operator
        .0
        .list_leases(request)
        .await
        .unwrap()
        .into_inner()
        .leases;
    assert_eq!(leases.len(), 4);
    assert!(leases.iter().all(|lease| lease.revocability.is_some()));
}
