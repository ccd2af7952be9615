//! Group commit.

use futures_util::future::join_all;

use super::*;
use crate::domain::audit::{Event, Record};
use crate::ports::store::StoreErrorKind;
use crate::ports::store::audit::{AuditQuery, AuditStore};
use crate::ports::store::jobs::JobStore;

fn numbers(store: &SqliteStore) -> Vec<u64> {
    let query = AuditQuery {
        limit: 1000,
        ..AuditQuery::default()
    };
    let page = store.records(&query).unwrap();
    page.records.iter().map(|record| record.number).collect()
}

/// A command that the database would take and the log does not.
async fn append_too_long(store: &SqliteStore) -> Result<(), StoreError> {
    let record = Record {
        task: Some("x".repeat(70_000)),
        ..Record::new(Event::JobDenied, NOW)
    };
    store.append(vec![record]).await
}

#[tokio::test]
async fn what_waits_together_is_committed_together() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let before = store.commits();
    let opens = join_all((0..60).map(|n| open_one(&store, n)));
    let opened = as_one_group(&store, opens).await;
    assert!(opened.into_iter().all(|opened| opened == Ok(Opened::New)));
    assert_eq!(
        store.commits() - before,
        2,
        "one to hold it up, one for sixty jobs"
    );
    assert_eq!(store.count_open().unwrap(), 60);
    assert_eq!(numbers(&store), (1..=180).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_command_that_fails_harms_none_of_its_group() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let good = join_all((0..20).map(|n| open_one(&store, n)));
    let more = join_all((20..40).map(|n| open_one(&store, n)));
    let group = async { tokio::join!(good, append_too_long(&store), more) };
    let (good, bad, more) = as_one_group(&store, group).await;
    assert!(
        good.into_iter()
            .chain(more)
            .all(|opened| opened == Ok(Opened::New))
    );
    assert_eq!(bad.unwrap_err().kind, StoreErrorKind::Other);
    assert_eq!(store.count_open().unwrap(), 40);
    assert_eq!(
        numbers(&store),
        (1..=120).collect::<Vec<_>>(),
        "no number is lost"
    );
}

#[tokio::test]
async fn a_command_sees_what_came_before_it_in_its_group() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let limited = |n: u8| {
        let mut candidate = sample::candidate_for(id(n), n);
        candidate.live_limit = 3;
        transact(&store, id(n), move |current: &Current<'_>| {
            open(current, &candidate)
        })
    };
    let opened = as_one_group(&store, join_all((0..5).map(limited))).await;
    let [new, limit] = [Opened::New, Opened::LiveLimit].map(|wanted| {
        opened
            .iter()
            .filter(|opened| **opened == Ok(wanted.clone()))
            .count()
    });
    assert_eq!((new, limit), (3, 2));
}

#[tokio::test]
async fn live_jobs_of_a_failed_group_are_not_counted_twice() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let group = async {
        tokio::join!(
            open_one(&store, 1),
            open_one(&store, 2),
            end_one(&store, 1, Cause::JobClosed),
            append_too_long(&store),
        )
    };
    let (first, second, ended, bad) = as_one_group(&store, group).await;
    assert!(first.is_ok() && second.is_ok() && ended.is_ok() && bad.is_err());
    assert_eq!(live(&store).await, 1);
    assert_eq!(store.count_open().unwrap(), 1);
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_is_written_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    {
        let mut abandoned = Box::pin(open_one(&store, 1));
        hand_over(&mut abandoned).await;
    }
    open_one(&store, 2).await.unwrap();
    assert_eq!(store.count_open().unwrap(), 2);
}
