//! How long jobs and tokens live at most.

use std::time::Duration;

use serde_json::{Value, json};
use taskpass_proto::ids::JobId;
use taskpass_proto::reason::Reason;

use super::{Bench, CI, MINUTE, NOW, POLICY, caller, holder, reason, request};
use crate::domain::audit::Event;
use crate::domain::job::Liveness;
use crate::operations::open_job::{OpenJob, OpenedJob};
use crate::ports::clock::Clock as _;
use crate::ports::store::AuditStore as _;
use crate::ports::store::audit::AuditQuery;

fn job() -> JobId {
    JobId::new(NOW.as_millis(), [3; 10])
}

async fn open(bench: &Bench, request: OpenJob) -> OpenedJob {
    let opened = bench.operations.open_job(&caller(CI), request).await;
    opened.unwrap()
}

#[tokio::test]
async fn a_token_ends_with_its_job_at_the_latest_also_when_it_is_renewed() {
    let bench = Bench::new().await;
    let mut short = request(job());
    short.max_duration = Some(5 * MINUTE);
    let opened = open(&bench, short).await;
    assert_eq!(opened.ends_by, NOW.plus(5 * MINUTE));
    assert_eq!(opened.credentials[0].term.expires_at, opened.ends_by);
    bench.clock.advance(4 * MINUTE);
    let renewed = bench.renew(job(), 1).await.unwrap();
    assert_eq!(renewed.credential.term.expires_at, opened.ends_by);
    // Nothing has ended the job yet, and its time is over.
    bench.clock.advance(MINUTE);
    let late = bench.renew(job(), 2).await;
    assert_eq!(reason(late), Some(Reason::LeaseEnded));
}

/// What the newest record of an event says made the lifetime shorter, and to how many seconds.
fn ceilings(bench: &Bench, event: Event) -> Value {
    let query = AuditQuery {
        event: Some(event.as_str().to_owned()),
        newest_first: true,
        limit: 1,
        ..AuditQuery::default()
    };
    let found = bench.store.records(&query).unwrap().records;
    let details = found[0].details.as_ref().unwrap();
    details["decision"]["credentials"][0]["ceilings"].clone()
}

#[tokio::test]
async fn a_decision_names_the_end_of_the_job_where_that_makes_the_lifetime_shorter() {
    let bench = Bench::new().await;
    let end = |seconds: u64| json!({ "by": "end of the job", "seconds": seconds });
    let mut short = request(job());
    short.max_duration = Some(Duration::from_secs(40));
    open(&bench, short).await;
    assert_eq!(ceilings(&bench, Event::JobOpened), json!([end(40)]));
    bench.clock.advance(Duration::from_secs(33));
    let issued = bench.issue(job(), holder()).await.unwrap();
    assert_eq!(issued.credentials[0].expires_in, Duration::from_secs(7));
    assert_eq!(ceilings(&bench, Event::LeaseIssued), json!([end(7)]));
    bench.clock.advance(Duration::from_secs(3));
    bench.renew(job(), 1).await.unwrap();
    let renewed = ceilings(&bench, Event::LeaseRenewed);
    assert_eq!(renewed.as_array().unwrap().last(), Some(&end(4)));
    // Where policy alone decides, it is not named.
    let long = request(JobId::new(bench.clock.now().as_millis(), [4; 10]));
    open(&bench, long).await;
    assert_eq!(ceilings(&bench, Event::JobOpened), Value::Null);
}

#[tokio::test]
async fn a_job_lives_no_longer_than_policy_lets_it_and_unannounced_than_its_credentials() {
    let bench = Bench::new().await;
    let mut long = request(job());
    long.max_duration = Some(Duration::from_secs(100 * 3600));
    let opened = open(&bench, long).await;
    assert_eq!(opened.ends_by, NOW.plus(Duration::from_secs(8 * 3600)));
    let mut unannounced = request(JobId::new(NOW.as_millis(), [4; 10]));
    unannounced.liveness = Liveness::None;
    let opened = open(&bench, unannounced).await;
    assert_eq!(opened.ends_by, NOW.plus(10 * MINUTE));
}

#[tokio::test]
async fn a_renewal_has_the_shorter_of_the_lifetimes_then_and_now() {
    let bench = Bench::new().await;
    bench.open().await.unwrap();
    let lifetime = async |ttl: &str, generation| {
        let policy = POLICY.replace("ttl = \"10m\"", &format!("ttl = \"{ttl}\""));
        bench.install(&policy).await;
        bench
            .renew(job(), generation)
            .await
            .unwrap()
            .credential
            .expires_in
    };
    assert_eq!(lifetime("20m", 1).await, 10 * MINUTE);
    assert_eq!(lifetime("2m", 2).await, 2 * MINUTE);
}

#[tokio::test]
async fn what_policy_grants_otherwise_now_is_not_renewed() {
    let scopes = "scopes = [\"docs:read\"]";
    let none = "scopes = []";
    let audience = "https://docs.acme.example";
    let ttl = "ttl = \"10m\"";
    // What is in the policy, what stands there when the job is opened, and what when it renews.
    for (part, then, now) in [
        (audience, audience, "https://other.acme.example"),
        (scopes, scopes, none),
        (scopes, none, scopes),
        (ttl, ttl, "ttl = \"10m\"\nshape = \"jwt-svid\""),
    ] {
        let bench = Bench::new().await;
        bench.install(&POLICY.replace(part, then)).await;
        bench.open().await.unwrap();
        bench.install(&POLICY.replace(part, now)).await;
        let refused = reason(bench.renew(job(), 1).await);
        let expected = if now == none {
            Reason::ScopeNotGranted
        } else {
            Reason::CredentialNotGranted
        };
        assert_eq!(refused, Some(expected), "{now}");
        bench.install(&POLICY.replace(part, then)).await;
        bench.renew(job(), 1).await.unwrap();
    }
}
