//! What a start does with what it finds in the journal.

use super::*;
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
