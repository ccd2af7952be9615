//! What a start does with what it finds in the journal.

use super::fake_broker::{Kind, Say};
use super::*;
use crate::hand_over::package::HandedJobs;
use crate::journal::{Ending, Entry};

fn id() -> JobId {
    JobId::new(1_799_999_999_000, [7; 10])
}

fn record() -> Remembered {
    let this = peer(UID).process.started();
    Remembered {
        identity: WORKLOAD.to_owned(),
        uid: UID,
        task: "deploy-docs".to_owned(),
        processes: vec![this],
        is_of_connection: false,
        leases: BTreeMap::from([("lease_a_1".to_owned(), 3)]),
        ending: None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_process_lives_goes_on_with_a_token_at_once() {
    let node = Node::remembering([(id(), record())].into());
    let view = node.jobs.watch(id(), UID).await.unwrap();
    let has_token = || view.borrow().credentials[0].token.is_some();
    assert!(within(2, has_token).await);
    let (_, request) = node.broker.renews().remove(0);
    assert_eq!(
        (request.lease_id.as_str(), request.generation),
        ("lease_a_1", 3)
    );
    assert_eq!(view.borrow().stage, Stage::Open);
    assert_eq!(node.live.greeting(), [id()]);
}

#[tokio::test(start_paused = true)]
async fn everything_else_is_closed_with_the_cause_that_is_true() {
    let dead = {
        let mut started = peer(UID).process.started();
        started.at_ticks += 1;
        started
    };
    let ending = Ending::new(v1::Cause::ProcessExited, Some(3));
    let table = [
        (
            "it was to be closed",
            Remembered {
                ending: Some(ending),
                ..record()
            },
            v1::Cause::ProcessExited,
            Some(3),
        ),
        (
            "time alone",
            Remembered {
                processes: vec![],
                ..record()
            },
            v1::Cause::JobClosed,
            None,
        ),
        (
            "a connection",
            Remembered {
                is_of_connection: true,
                ..record()
            },
            v1::Cause::JobClosed,
            None,
        ),
        (
            "another process",
            Remembered {
                processes: vec![dead],
                ..record()
            },
            v1::Cause::ProcessExited,
            None,
        ),
    ];
    for (what, record, cause, exit_status) in table {
        let node = Node::remembering([(id(), record)].into());
        assert!(
            within(2, || !node.broker.closes().is_empty()).await,
            "{what}"
        );
        let (_, request) = node.broker.closes().remove(0);
        assert_eq!(
            (request.cause(), request.exit_status),
            (cause, exit_status),
            "{what}"
        );
        assert!(node.broker.renews().is_empty(), "{what}");
        assert_eq!(node.jobs.count().await, 0, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_of_an_identity_that_is_gone_is_forgotten() {
    let identity = "spiffe://acme.example/prod/ci/other".to_owned();
    let node = Node::remembering(
        [(
            id(),
            Remembered {
                identity,
                ..record()
            },
        )]
        .into(),
    );
    pass(seconds(1)).await;
    assert_eq!(node.jobs.count().await, 0);
    assert!(
        node.broker.closes().is_empty(),
        "nobody here can speak for it"
    );
    assert!(matches!(node.disk.written()[..], [Entry::Gone { .. }]));
}

/// What the next agent is handed, having gone over the wire.
fn sent(keeper: &Keeper) -> HandedJobs {
    let text = serde_json::to_string(&keeper.hand_over()).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The journal's word on a job that is tied to nothing but time.
fn by_time() -> Remembered {
    Remembered {
        processes: vec![],
        leases: BTreeMap::new(),
        ..record()
    }
}

#[tokio::test(start_paused = true)]
async fn after_an_upgrade_every_open_job_goes_on_with_its_token_and_its_next_renewal() {
    let mut before = Node::start();
    let (by_clock, view) = before.opened().await;
    let by_connection = before.open(Anchor::Connection).await.unwrap().id;
    let due = view.borrow().credentials[0].renew_at;
    let handed = Some(sent(&before.rest().await));
    let of_connection = Remembered {
        is_of_connection: true,
        ..by_time()
    };
    let remembered = [(by_clock, by_time()), (by_connection, of_connection)].into();
    let after = Node::finding(Found { remembered, handed });
    pass(seconds(5)).await;
    assert!(after.broker.closes().is_empty() && after.broker.renews().is_empty());
    for (id, anchor) in [(by_clock, "ttl"), (by_connection, "connection")] {
        let view = after.jobs.watch(id, UID).await.unwrap().borrow().clone();
        let token = view.credentials[0].token.as_ref().unwrap();
        assert_eq!(token.secret.expose(), format!("lease_{id}_1.1"));
        assert_eq!((view.anchor, view.stage), (anchor, Stage::Open));
    }
    let view = after.jobs.watch(by_clock, UID).await.unwrap();
    assert_eq!(view.borrow().credentials[0].renew_at, due);
    assert!(within(300, || after.broker.renews().len() == 2).await);
}

#[tokio::test(start_paused = true)]
async fn after_an_upgrade_an_end_is_repeated_and_what_was_not_open_is_closed() {
    let mut before = Node::start();
    let (ended, _) = before.opened().await;
    before.close(ended, seconds(1)).await.unwrap();
    let handed = Some(sent(&before.rest().await));
    let closing = JobId::new(1_799_999_999_000, [8; 10]);
    let ending = Some(Ending::new(v1::Cause::ProcessExited, Some(1)));
    let remembered = [
        (id(), record()),
        (
            closing,
            Remembered {
                ending,
                ..by_time()
            },
        ),
    ]
    .into();
    let after = Node::finding(Found { remembered, handed });
    pass(seconds(1)).await;
    let closes = after.broker.closes().into_iter();
    let causes: BTreeMap<String, v1::Cause> = closes
        .map(|(_, it)| (it.job_id.clone(), it.cause()))
        .collect();
    let expected = [
        (id().to_string(), v1::Cause::JobClosed),
        (closing.to_string(), v1::Cause::ProcessExited),
    ];
    assert_eq!(causes, expected.into());
    assert!(
        after.close(ended, seconds(1)).await.unwrap().confirmed,
        "it is remembered as ended"
    );
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_was_under_way_is_asked_for_again() {
    let mut before = Node::start();
    let (job, _) = before.opened().await;
    before.broker.next(Kind::Renew, [Say::Nothing]);
    assert!(within(300, || before.broker.renews().len() == 1).await);
    let handed = Some(sent(&before.rest().await));
    let after = Node::finding(Found {
        remembered: [(job, by_time())].into(),
        handed,
    });
    let ahead = Refusal::new(Reason::GenerationMismatch, "").current_generation(2);
    after.broker.next(Kind::Renew, [Say::No(ahead.into())]);
    assert!(within(2, || after.broker.renews().len() == 2).await);
    assert_eq!(after.broker.renews()[1].1.generation, 2);
}

#[tokio::test(start_paused = true)]
async fn a_keeper_that_stood_still_goes_on_as_if_nothing_had_been() {
    let mut node = Node::start();
    let (id, view) = node.opened().await;
    let keeper = node.rest().await;
    // Asked meanwhile, and answered after.
    let asked = node.jobs.renew_now(id, UID);
    let going_on = async {
        pass(seconds(5)).await;
        assert!(node.broker.renews().is_empty());
        node.keeping.spawn(keeper.run(CancellationToken::new()));
    };
    let (asked, ()) = tokio::join!(asked, going_on);
    asked.unwrap();
    assert!(within(1, || view.borrow().credentials[0].generation == 2).await);
}
