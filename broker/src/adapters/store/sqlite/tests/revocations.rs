//! The feed of revocations.

use super::*;
use crate::domain::change::end_lease::end_lease;
use crate::domain::revocation::{Revoked, VERIFIER_LEEWAY};
use crate::ports::store::revocations::RevocationStore;

/// The sample's longer token lives 120 s.
const OVER: Duration = Duration::from_secs(120 + VERIFIER_LEEWAY.as_secs());

fn numbers(store: &SqliteStore, after: u64, limit: usize) -> (Vec<u64>, u64, bool) {
    let page = store.revocations(after, limit).unwrap();
    let numbers = page.entries.iter().map(|entry| entry.number).collect();
    (numbers, page.through, page.is_complete)
}

async fn opened_and_ended(folder: &Path, count: u8) -> SqliteStore {
    let store = store(folder);
    for n in 1..=count {
        open_one(&store, n).await.unwrap();
        end_one(&store, n, Cause::JobClosed).await.unwrap();
    }
    store
}

#[tokio::test]
async fn each_end_has_the_next_number_and_wakes_whoever_waits() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened_and_ended(folder.path(), 2).await;
    let mut newest = store.newest_revocation();
    assert_eq!(*newest.borrow_and_update(), 2);
    open_one(&store, 3).await.unwrap();
    assert!(!newest.has_changed().unwrap(), "an opening revokes nothing");
    let lease = taskpass_proto::ids::LeaseId::new(id(3), 2);
    let change = move |now: &Current<'_>| end_lease(now, lease, Cause::Operator, NOW, &json!({}));
    transact(&store, id(3), change).await.unwrap();
    assert!(newest.has_changed().unwrap());
    assert_eq!(*newest.borrow_and_update(), 3);
    let page = store.revocations(0, 10).unwrap();
    let told: Vec<_> = page
        .entries
        .iter()
        .map(|e| (e.number, e.revocation.revoked))
        .collect();
    let expected = [
        (1, Revoked::Job(id(1))),
        (2, Revoked::Job(id(2))),
        (3, Revoked::Lease(lease)),
    ];
    assert_eq!(told, expected);
    // An end that had come before is told once.
    end_one(&store, 1, Cause::Operator).await.unwrap();
    assert_eq!(numbers(&store, 0, 10).0, [1, 2, 3]);
}

#[tokio::test]
async fn is_read_in_pages_that_say_how_far_they_looked() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened_and_ended(folder.path(), 5).await;
    assert_eq!(numbers(&store, 0, 3), (vec![1, 2, 3], 3, false));
    assert_eq!(numbers(&store, 3, 3), (vec![4, 5], 5, true));
    assert_eq!(numbers(&store, 5, 3), (vec![], 5, true));
}

#[tokio::test]
async fn numbers_go_on_after_a_restart_and_after_everything_was_pruned() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened_and_ended(folder.path(), 3).await;
    let just_before = NOW.plus(OVER).minus(Duration::from_millis(1));
    store.prune_revocations(just_before, 0).await.unwrap();
    assert_eq!(numbers(&store, 0, 10).0, [1, 2, 3]);
    store.prune_revocations(NOW.plus(OVER), 0).await.unwrap();
    assert_eq!(numbers(&store, 0, 10).0, [3]);
    let commits = store.commits();
    store.prune_revocations(NOW.plus(OVER), 0).await.unwrap();
    assert_eq!(
        store.commits(),
        commits,
        "nothing to prune is nothing to write"
    );
    drop(store);
    let store = super::store(folder.path());
    assert_eq!(*store.newest_revocation().borrow(), 3);
    open_one(&store, 4).await.unwrap();
    end_one(&store, 4, Cause::JobClosed).await.unwrap();
    assert_eq!(numbers(&store, 0, 10).0, [3, 4]);
}

#[tokio::test]
async fn a_failed_transaction_takes_no_number() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened_and_ended(folder.path(), 1).await;
    open_one(&store, 2).await.unwrap();
    let fails = store.writer.write(|t: &mut Transaction<'_>| {
        let revocation = crate::domain::revocation::Revocation {
            audience: "https://docs.acme.example".into(),
            revoked: Revoked::Job(id(9)),
            until: NOW,
        };
        t.revoke(&[revocation])?;
        Err::<(), _>(StoreError {
            kind: crate::ports::store::StoreErrorKind::Other,
            message: "after the entry was written".into(),
        })
    });
    fails.await.unwrap_err();
    end_one(&store, 2, Cause::JobClosed).await.unwrap();
    assert_eq!(numbers(&store, 0, 10), (vec![1, 2], 2, true));
}
