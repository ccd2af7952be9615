//! What survives, and what a failing disk leaves behind.

use super::*;
use crate::domain::audit::Event;
use crate::ports::store::StoreErrorKind;
use crate::ports::store::audit::{AuditStore, RecordKey};
use crate::ports::store::jobs::JobStore;

/// The files as a `kill -9` would leave them at this moment.
fn copy(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for name in ["taskpass.db", "taskpass.db-wal"] {
        std::fs::copy(folder.join(name), copy.path().join(name)).unwrap();
    }
    copy
}

fn assert_is_recorded(store: &SqliteStore, n: u8) {
    assert!(store.job(id(n)).unwrap().is_some(), "job {n}");
    let last = RecordKey::Number(3 * u64::from(n) + 3);
    let last = store.record(&last).unwrap().unwrap();
    assert_eq!(last.leaf.event, Event::LeaseIssued, "job {n}");
}

#[tokio::test]
async fn an_answered_change_is_in_the_files_without_any_closing() {
    let folder = tempfile::tempdir().unwrap();
    let live = store(folder.path());
    for n in 0..30 {
        open_one(&live, n).await.unwrap();
        if n % 10 == 9 {
            let found = copy(folder.path());
            let found = store(found.path());
            (0..=n).for_each(|n| assert_is_recorded(&found, n));
        }
    }
}

#[tokio::test]
async fn a_log_that_breaks_off_loses_nothing_that_was_answered() {
    let folder = tempfile::tempdir().unwrap();
    let live = store(folder.path());
    for n in 0..5 {
        open_one(&live, n).await.unwrap();
    }
    let answered = std::fs::read(folder.path().join("taskpass.db-wal")).unwrap();
    open_one(&live, 5).await.unwrap();
    let with_more = std::fs::read(folder.path().join("taskpass.db-wal")).unwrap();
    // The power goes while the sixth job is being written.
    for cut in [1, 100, 4096, 4121, 9000] {
        let torn = copy(folder.path());
        let length = (answered.len() + cut).min(with_more.len() - 1);
        std::fs::write(torn.path().join("taskpass.db-wal"), &with_more[..length]).unwrap();
        let found = store(torn.path());
        (0..5).for_each(|n| assert_is_recorded(&found, n));
        assert!(
            found.job(id(5)).unwrap().is_none(),
            "half a job, cut at {cut}"
        );
        assert_eq!(found.count_open().unwrap(), 5);
        open_one(&found, 5).await.unwrap();
        assert_is_recorded(&found, 5);
    }
}

#[tokio::test]
async fn every_commit_is_synced() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let settings = |t: &mut Transaction<'_>| {
        let ask = |name| {
            t.connection
                .pragma_query_value(None, name, |row| row.get(0))
        };
        let synchronous: i64 = ask("synchronous")?;
        let mode: String = t
            .connection
            .pragma_query_value(None, "journal_mode", |row| row.get(0))?;
        Ok((synchronous, mode))
    };
    // 2 stands for FULL: https://www.sqlite.org/pragma.html#pragma_synchronous
    assert_eq!(
        store.writer.write(settings).await,
        Ok((2, "wal".to_owned()))
    );
}

#[tokio::test]
async fn a_commit_that_fails_is_never_answered_as_done() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    // A reference to nothing, which SQLite looks at in the commit.
    let dangle = |t: &mut Transaction<'_>| {
        t.connection.execute_batch(
            "CREATE TABLE parent (id INTEGER PRIMARY KEY);
             CREATE TABLE child (parent REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
             INSERT INTO child VALUES (1);",
        )?;
        Ok(())
    };
    let group = async {
        tokio::join!(
            open_one(&store, 0),
            store.writer.write(dangle),
            open_one(&store, 1)
        )
    };
    let (before, dangling, after) = as_one_group(&store, group).await;
    assert_eq!(dangling.unwrap_err().kind, StoreErrorKind::Other);
    assert!(before.is_ok() && after.is_ok());
    open_one(&store, 2).await.unwrap();
    (0..3).for_each(|n| assert_is_recorded(&store, n));
}

#[tokio::test]
async fn closing_leaves_one_file_with_everything() {
    let folder = tempfile::tempdir().unwrap();
    let first = store(folder.path());
    open_one(&first, 0).await.unwrap();
    drop(first);
    assert!(!folder.path().join("taskpass.db-wal").exists());
    assert_is_recorded(&store(folder.path()), 0);
}

#[tokio::test]
async fn a_full_disk_is_said_and_it_goes_on_when_there_is_space_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let limit = async |pages: u32| {
        let set = move |t: &mut Transaction<'_>| {
            Ok(t.connection.pragma_update(None, "max_page_count", pages)?)
        };
        store.writer.write(set).await.unwrap();
    };
    limit(60).await;
    let mut opened = 0;
    let error = loop {
        match open_one(&store, opened).await {
            Ok(_) => opened += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind, StoreErrorKind::Full);
    assert!(
        store.job(id(opened)).unwrap().is_none(),
        "nothing of a failed change is kept"
    );
    assert_eq!(store.count_open().unwrap(), u64::from(opened));
    assert_eq!(
        open_one(&store, opened).await.unwrap_err().kind,
        StoreErrorKind::Full
    );

    limit(1_000).await;
    open_one(&store, opened).await.unwrap();
    assert_is_recorded(&store, opened);
}

#[tokio::test]
async fn a_writer_that_died_is_said_to_have_stopped_and_reads_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    open_one(&store, 0).await.unwrap();
    let die =
        |_: &mut Transaction<'_>| -> Result<(), StoreError> { panic!("this test wants it dead") };
    let error = store.writer.write(die).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Stopped);
    let error = open_one(&store, 1).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Stopped);
    assert_is_recorded(&store, 0);
}
