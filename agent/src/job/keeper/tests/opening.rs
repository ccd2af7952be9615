//! How jobs begin.

use super::fake_broker::{Kind, Say};
use super::fake_disk::State;
use super::*;

#[tokio::test(start_paused = true)]
async fn a_job_is_on_disk_before_the_broker_is_asked() {
    let node = Node::start();
    node.disk.set(State::Hangs);
    let mut opening = std::pin::pin!(node.open(Anchor::Ttl));
    let waited = tokio::time::timeout(seconds(60), opening.as_mut()).await;
    assert!(waited.is_err() && node.broker.opens().is_empty());
    node.disk.set(State::Works);
    assert_eq!(opening.await.unwrap().stage, Stage::Open);
    assert_eq!(node.broker.opens().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_hangs_for_one_holds_up_nobody_who_only_looks() {
    let node = Node::start();
    let (id, _) = node.opened().await;
    node.disk.set(State::Hangs);
    let opening = tokio::time::timeout(seconds(1), node.open(Anchor::Ttl));
    let (opening, listed) = tokio::join!(opening, node.jobs.list(UID));
    assert!(opening.is_err());
    assert!(listed.iter().any(|view| view.id == id));
    assert!(
        within(250, || !node.broker.renews().is_empty()).await,
        "it goes on renewing"
    );
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_journalled_is_never_asked_for() {
    let node = Node::start();
    node.disk.set(State::Fails);
    let error = node.open(Anchor::Ttl).await.unwrap_err();
    assert_eq!(error, JobError::Journal("disk full".to_owned()));
    assert!(node.broker.opens().is_empty() && node.broker.closes().is_empty());
    assert!(node.live.greeting().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_opening_is_repeated_for_a_while_as_one_job() {
    let node = Node::start();
    node.broker.always(Kind::Open, Say::No(away()));
    let error = node.open(Anchor::Ttl).await.unwrap_err();
    assert_eq!(error, away().into());
    let asked = node.broker.opens();
    let (first, last) = (asked.first().unwrap(), asked.last().unwrap());
    assert!(
        asked.len() >= 4 && last.0 - first.0 < seconds(3),
        "{}",
        asked.len()
    );
    assert!(
        asked
            .iter()
            .all(|(_, request)| request.job_id == first.1.job_id)
    );
    assert!(
        node.broker.closes().is_empty(),
        "nothing was sent, so nothing is to be closed"
    );
}

#[tokio::test(start_paused = true)]
async fn an_opening_that_fails_is_closed_only_where_it_may_have_been_done() {
    let table = [
        (vec![lost(), refused(Reason::TaskNotGranted)], true),
        (
            vec![
                refused(Reason::StoreUnavailable),
                refused(Reason::TaskNotGranted),
            ],
            true,
        ),
        (vec![away(), refused(Reason::TaskNotGranted)], false),
        (vec![refused(Reason::TaskNotGranted)], false),
        (
            vec![
                refused(Reason::RateLimited),
                refused(Reason::WorkloadBanned),
            ],
            false,
        ),
    ];
    for (answers, closed) in table {
        let node = Node::start();
        node.broker
            .next(Kind::Open, answers.iter().cloned().map(Say::No));
        assert!(node.open(Anchor::Ttl).await.is_err());
        pass(seconds(1)).await;
        assert_eq!(!node.broker.closes().is_empty(), closed, "{answers:?}");
        assert_eq!(node.jobs.count().await, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_while_it_waits_leaves_no_job() {
    let node = Node::start();
    node.disk.set(State::Hangs);
    let gone = tokio::time::timeout(seconds(1), node.open(Anchor::Ttl)).await;
    assert!(gone.is_err());
    node.disk.set(State::Works);
    assert!(within(5, || node.broker.closes().len() == 1).await);
    assert_eq!(node.jobs.count().await, 0);
}

#[tokio::test(start_paused = true)]
async fn no_user_gets_more_jobs_than_its_share() {
    let node = Node::start();
    for _ in 0..20 {
        node.open(Anchor::Ttl).await.unwrap();
    }
    let more = node.open(Anchor::Ttl).await.unwrap_err();
    assert_eq!(more, JobError::TooMany(20));
    let first = node.jobs.list(UID).await[0].id;
    assert!(node.open_as(OTHER, Anchor::Ttl).await.is_ok());
    node.close(first, seconds(1)).await.unwrap();
    assert!(node.open(Anchor::Ttl).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_stops_opens_nothing_and_closes_everything() {
    let node = Node::start();
    node.opened().await;
    node.opened().await;
    node.broker.next(Kind::Close, [Say::Nothing]);
    let stopping = node.jobs.close_all(seconds(5));
    let asking = async {
        pass(seconds(1)).await;
        node.open(Anchor::Ttl).await
    };
    let ((), asked) = tokio::join!(stopping, asking);
    assert_eq!(asked.unwrap_err(), JobError::Stopping);
    assert_eq!(node.broker.closes().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn more_is_issued_to_an_open_job_of_the_same_user_only() {
    let node = Node::start();
    let (id, view) = node.opened().await;
    assert_eq!(
        node.jobs.issue(id, OTHER, vec![]).await.unwrap_err(),
        JobError::Unknown
    );
    let added = node.jobs.issue(id, UID, vec![]).await.unwrap();
    assert_eq!(added.credentials.len(), 1);
    assert_eq!(view.borrow().credentials.len(), 2);
    node.broker.next(
        Kind::Issue,
        [Say::No(refused(Reason::CredentialNotGranted))],
    );
    assert!(node.jobs.issue(id, UID, vec![]).await.is_err());
    assert_eq!(view.borrow().credentials.len(), 2);
}
