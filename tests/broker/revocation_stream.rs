//! The stream of revocations, as it is on the wire.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::UnixTime;
use taskpass_identity::source::fixed::FixedSvid;
use taskpass_identity::tls::TlsIdentity;
use taskpass_proto::v1;
use taskpass_proto::v1::broker_client::BrokerClient;
use taskpass_proto::v1::watch_revocations_response::entry::Revoked;
use taskpass_proto::v1::watch_revocations_response::{Entry, Message, Snapshot};
use tokio::time::timeout;
use tonic::Streaming;

use crate::support::client::{Client, Refused, try_connect};
use crate::support::installation::{Installation, POLICY, Plan};
use crate::support::operator::Operator;
use crate::support::{PATIENCE, eventually};

const CI: &str = "spiffe://acme.example/prod/ci/docs";
const VERIFIER: &str = "spiffe://acme.example/prod/docs-api";
const OTHER_VERIFIER: &str = "spiffe://acme.example/prod/tickets-api";

/// A verifier with its stream open.
struct Watcher(Streaming<v1::WatchRevocationsResponse>);

impl Watcher {
    async fn open(broker: &Installation, id: &str, after: u64, epoch: &[u8]) -> Self {
        let client = broker.client(id).await;
        Self::try_open(client, after, epoch).await.unwrap()
    }

    async fn try_open(mut client: Client, after: u64, epoch: &[u8]) -> Result<Self, Refused> {
        let epoch = epoch.to_vec();
        let request = v1::WatchRevocationsRequest { after, epoch };
        Ok(Self(
            client.grpc.watch_revocations(request).await?.into_inner(),
        ))
    }

    /// What is told next; none at the stream's end.
    async fn next(&mut self) -> Result<Option<Message>, Refused> {
        let next = timeout(PATIENCE, self.0.message()).await;
        let next = next.expect("a message, or the end")?;
        Ok(next.map(|next| next.message.unwrap()))
    }

    async fn snapshot(&mut self) -> Snapshot {
        match self.next().await.unwrap() {
            Some(Message::Snapshot(snapshot)) => snapshot,
            other => panic!("{other:?}"),
        }
    }

    async fn entry(&mut self) -> Entry {
        loop {
            match self.next().await.unwrap() {
                Some(Message::Entry(entry)) => return entry,
                Some(Message::Progress(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

fn job(entry: &Entry) -> &str {
    match entry.revoked.as_ref().unwrap() {
        Revoked::JobId(job) => job,
        Revoked::LeaseId(lease) => panic!("{lease}"),
    }
}

/// The sample policy, with a verifier for the other audience too.
fn two_audiences() -> String {
    POLICY.replace(
        "uri = \"https://tickets.acme.example\"",
        &format!("uri = \"https://tickets.acme.example\"\nverifiers = [\"{OTHER_VERIFIER}\"]"),
    )
}

#[tokio::test]
async fn tells_what_had_ended_and_then_what_ends() {
    let broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let before = client.open_docs().await.job_id;
    client.close(&before).await.unwrap();
    let mut watcher = Watcher::open(&broker, VERIFIER, 0, &[]).await;
    let snapshot = watcher.snapshot().await;
    assert_eq!((snapshot.number, snapshot.more), (1, false));
    assert_eq!(snapshot.entries.len(), 1);
    assert_eq!(job(&snapshot.entries[0]), before);
    let opened = client.open_docs().await;
    client.close(&opened.job_id).await.unwrap();
    let entry = watcher.entry().await;
    assert_eq!((entry.number, job(&entry)), (2, &*opened.job_id));
    // One lease alone, on an operator's word.
    let lease = client.open_docs().await.credentials.remove(0).lease_id;
    let mut operator = Operator::connect(&broker).await;
    let request = v1::RevokeLeaseRequest {
        lease_id: lease.clone(),
        note: "leaked".into(),
    };
    operator.0.revoke_lease(request).await.unwrap();
    let revoked = watcher.entry().await.revoked;
    assert_eq!(revoked, Some(Revoked::LeaseId(lease)));
    // And while nothing ends, it says so.
    let progress = watcher.next().await.unwrap();
    assert!(matches!(progress, Some(Message::Progress(p)) if p.number == 3));
}

#[tokio::test]
async fn a_verifier_hears_of_its_own_audiences_only() {
    let policy = two_audiences();
    let plan = Plan {
        policy: &policy,
        ..Plan::default()
    };
    let broker = Installation::with(plan).await;
    let mut client = broker.client(CI).await;
    let docs_only = client.open_docs().await.job_id;
    let both = client.open(client.request("deploy-docs")).await.unwrap();
    for job in [&docs_only, &both.job_id] {
        client.close(job).await.unwrap();
    }
    let mut docs = Watcher::open(&broker, VERIFIER, 0, &[]).await;
    let snapshot = docs.snapshot().await;
    let told: Vec<&str> = snapshot.entries.iter().map(job).collect();
    assert_eq!(told, [&docs_only, &both.job_id]);
    let mut tickets = Watcher::open(&broker, OTHER_VERIFIER, 0, &[]).await;
    let snapshot = tickets.snapshot().await;
    let told: Vec<&str> = snapshot.entries.iter().map(job).collect();
    assert_eq!(told, [&both.job_id]);
    // Live too: the first ends unheard.
    let docs_only = client.open_docs().await.job_id;
    let both = client.open(client.request("deploy-docs")).await.unwrap();
    for job in [&docs_only, &both.job_id] {
        client.close(job).await.unwrap();
    }
    assert_eq!(job(&tickets.entry().await), both.job_id);
}

#[tokio::test]
async fn who_verifies_nothing_is_refused() {
    let broker = Installation::start().await;
    for id in [CI, OTHER_VERIFIER] {
        let client = broker.client(id).await;
        let refused = Watcher::try_open(client, 0, &[]).await.err().unwrap();
        assert_eq!(refused.reason, "NOT_A_VERIFIER");
    }
}

#[tokio::test]
async fn goes_on_by_number_across_a_kill_and_misses_nothing() {
    let mut broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let open = async |client: &mut Client| client.open_docs().await.job_id;
    let jobs = [
        open(&mut client).await,
        open(&mut client).await,
        open(&mut client).await,
    ];
    let mut watcher = Watcher::open(&broker, VERIFIER, 0, &[]).await;
    let epoch = watcher.snapshot().await.epoch;
    client.close(&jobs[0]).await.unwrap();
    assert_eq!(watcher.entry().await.number, 1);
    drop(watcher);
    client.close(&jobs[1]).await.unwrap();
    broker.broker.kill();
    broker.restart().await;
    let mut client = Client {
        holder: client.holder,
        ..broker.client(CI).await
    };
    client.close(&jobs[2]).await.unwrap();
    let mut watcher = Watcher::open(&broker, VERIFIER, 1, &epoch).await;
    for (number, expected) in [(2, &jobs[1]), (3, &jobs[2])] {
        let entry = watcher.entry().await;
        assert_eq!((entry.number, job(&entry)), (number, &**expected));
    }
    let progress = watcher.next().await.unwrap();
    assert!(
        matches!(progress, Some(Message::Progress(p)) if p.number == 3),
        "told at once that this is everything"
    );
}

#[tokio::test]
async fn a_position_that_means_nothing_begins_again() {
    let broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let ended = client.open_docs().await.job_id;
    client.close(&ended).await.unwrap();
    let epoch = Watcher::open(&broker, VERIFIER, 0, &[])
        .await
        .snapshot()
        .await
        .epoch;
    for (after, epoch) in [(1, &b"another"[..]), (1, b""), (2, &epoch)] {
        let mut watcher = Watcher::open(&broker, VERIFIER, after, epoch).await;
        let reset = watcher.next().await.unwrap();
        assert!(matches!(reset, Some(Message::Reset(_))), "{reset:?}");
        assert_eq!(job(&watcher.snapshot().await.entries[0]), ended);
    }
}

#[tokio::test]
async fn whoever_verifies_for_one_more_audience_is_told_what_ended_there_before() {
    let broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let mut request = client.request("deploy-docs");
    request.credentials = vec![crate::support::client::wanted("tickets-api")];
    let ended = client.open(request).await.unwrap().job_id;
    client.close(&ended).await.unwrap();
    let mut watcher = Watcher::open(&broker, VERIFIER, 0, &[]).await;
    assert_eq!(watcher.snapshot().await.entries, []);
    let policy = two_audiences().replace(OTHER_VERIFIER, VERIFIER);
    fs::write(broker.path("policy/policy.toml"), policy).unwrap();
    loop {
        match watcher.next().await.unwrap() {
            Some(Message::Progress(_)) => {}
            Some(Message::Reset(_)) => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(job(&watcher.snapshot().await.entries[0]), ended);
    // And whoever no longer verifies is not told any more.
    fs::write(
        broker.path("policy/policy.toml"),
        POLICY.replace(VERIFIER, OTHER_VERIFIER),
    )
    .unwrap();
    let refused = loop {
        match watcher.next().await {
            Ok(Some(Message::Progress(_))) => {}
            Ok(other) => panic!("{other:?}"),
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused.reason, "NOT_A_VERIFIER");
}

#[tokio::test]
async fn an_end_that_is_not_durable_is_told_without_a_number_and_again_with_it() {
    let broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let opened = client.open_docs().await;
    let mut watcher = Watcher::open(&broker, VERIFIER, 0, &[]).await;
    watcher.snapshot().await;
    let blocker = rusqlite::Connection::open(broker.path("taskpass.db")).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let closed = client.close(&opened.job_id).await.unwrap();
    assert_eq!(closed.progress(), v1::EndProgress::Pending);
    let entry = watcher.entry().await;
    assert_eq!((entry.number, job(&entry)), (0, &*opened.job_id));
    // Whoever comes now hears of it too.
    let mut late = Watcher::open(&broker, VERIFIER, 0, &[]).await;
    assert_eq!(job(&late.entry().await), opened.job_id);
    drop(blocker);
    let entry = watcher.entry().await;
    assert_eq!((entry.number, job(&entry)), (1, &*opened.job_id));
}

#[tokio::test]
async fn ends_with_the_svid_that_opened_it() {
    let broker = Installation::start().await;
    let short = Duration::from_secs(3);
    let issued = broker
        .authority
        .issue(&VERIFIER.parse().unwrap(), short, UnixTime::now())
        .unwrap();
    let identity = TlsIdentity {
        svids: Arc::new(FixedSvid::new(issued.parse().unwrap())),
        ..broker.identity(VERIFIER)
    };
    let channel = try_connect(broker.workload, &identity).await.unwrap();
    let mut stream = BrokerClient::new(channel)
        .watch_revocations(v1::WatchRevocationsRequest::default())
        .await
        .unwrap()
        .into_inner();
    let ended = async { while let Ok(Some(_)) = stream.message().await {} };
    timeout(PATIENCE, ended).await.expect("the stream ends");
}

#[tokio::test]
async fn a_ban_ends_the_stream() {
    let broker = Installation::start().await;
    let mut watcher = Watcher::open(&broker, VERIFIER, 0, &[]).await;
    watcher.snapshot().await;
    let mut operator = Operator::connect(&broker).await;
    let request = v1::BanRequest {
        target: Some(v1::ban_request::Target::SpiffeId(VERIFIER.into())),
        note: "left".into(),
        ..v1::BanRequest::default()
    };
    operator.0.ban(request).await.unwrap();
    let refused = loop {
        match watcher.next().await {
            Ok(Some(Message::Progress(_))) => {}
            Ok(other) => panic!("{other:?}"),
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused.reason, "WORKLOAD_BANNED");
}

#[tokio::test]
async fn what_is_over_is_pruned_and_the_numbers_go_on() {
    let broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    for _ in 0..3 {
        let job = client.open_docs().await.job_id;
        client.close(&job).await.unwrap();
    }
    let epoch = Watcher::open(&broker, VERIFIER, 0, &[])
        .await
        .snapshot()
        .await
        .epoch;
    let store = rusqlite::Connection::open(broker.path("taskpass.db")).unwrap();
    store
        .execute("UPDATE revocation SET until = 1", [])
        .unwrap();
    eventually("only the newest is left", || {
        let count = "SELECT count(*) FROM revocation";
        let left: i64 = store.query_row(count, [], |row| row.get(0)).unwrap();
        async move { (left == 1).then_some(()) }
    })
    .await;
    // A position among what is pruned is as good as any: nothing after it is missing that still counts.
    let mut watcher = Watcher::open(&broker, VERIFIER, 1, &epoch).await;
    let job_id = client.open_docs().await.job_id;
    client.close(&job_id).await.unwrap();
    let entry = watcher.entry().await;
    assert_eq!((entry.number, job(&entry)), (4, &*job_id));
}

#[tokio::test]
async fn one_verifier_has_no_more_streams_than_its_share() {
    let plan = Plan {
        more: "[limits]\ncalls_per_second = 10000\ncall_burst = 10000",
        ..Plan::default()
    };
    let broker = Installation::with(plan).await;
    let mut open = Vec::new();
    let refused = 'full: loop {
        let client = broker.client(VERIFIER).await;
        // As many as a connection may have.
        for _ in 0..100 {
            match Watcher::try_open(client.clone(), 0, b"").await {
                Ok(watcher) => open.push(watcher),
                Err(refused) => break 'full refused,
            }
        }
    };
    assert_eq!(
        (open.len(), refused.reason.as_str()),
        (1000, "RATE_LIMITED")
    );
    open.pop();
    eventually("a place is free again", async || {
        let client = broker.client(VERIFIER).await;
        Watcher::try_open(client, 0, b"").await.ok()
    })
    .await;
}
