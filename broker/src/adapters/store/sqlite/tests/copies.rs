//! Backups, old copies, and what becomes of them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::*;
use crate::adapters::store::sqlite::{OpenError, RestoreError, check, restore};
use crate::domain::audit::{Event, Record};
use crate::ports::store::audit::{AuditStore, RecordKey};
use crate::ports::store::backup::{BackedUp, BackupError, BackupStore};
use crate::ports::store::epoch::{EpochStore, Restored};
use crate::ports::store::jobs::JobStore;

fn db(folder: &Path) -> PathBuf {
    folder.join("taskpass.db")
}

fn back_up(store: &SqliteStore, to: &Path) -> Result<BackedUp, BackupError> {
    store.back_up(to, NOW, &mut |_| true)
}

/// A store with three jobs in the backup and two more after it; answers the backup.
async fn with_gap(folder: &Path) -> PathBuf {
    let live = store(folder);
    for n in 0..3 {
        open_one(&live, n).await.unwrap();
    }
    let backup = folder.join("backup.db");
    let made = back_up(&live, &backup).unwrap();
    assert_eq!(made.last_record, 9);
    for n in 3..5 {
        open_one(&live, n).await.unwrap();
    }
    backup
}

#[tokio::test]
async fn a_backup_is_one_private_file_of_one_moment_and_overwrites_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let backup = with_gap(folder.path()).await;
    let mode = fs::metadata(&backup).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let report = check(&backup).unwrap();
    assert_eq!(report.damage, Vec::<String>::new());
    assert_eq!(report.backup_taken_at, Some(NOW));
    assert_eq!(report.counts["open jobs"], 3);
    assert_eq!((report.last_record, report.issuer), (9, facts().issuer));
    let around: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("backup"))
        .collect();
    assert_eq!(around, ["backup.db"], "nothing else is left");

    let before = fs::read(&backup).unwrap();
    let again = store(folder.path());
    assert!(matches!(
        back_up(&again, &backup),
        Err(BackupError::Exists(_))
    ));
    let relative = back_up(&again, Path::new("backup.db"));
    assert!(matches!(relative, Err(BackupError::NotAbsolute(_))));
    assert_eq!(fs::read(&backup).unwrap(), before);
}

#[tokio::test]
async fn a_backup_that_nobody_waits_for_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let to = folder.path().join("backup.db");
    let stopped = store.back_up(&to, NOW, &mut |_| false);
    assert!(matches!(stopped, Err(BackupError::Stopped)));
    assert!(!to.exists() && !folder.path().join("backup.db.partial").exists());
}

#[tokio::test]
async fn a_store_that_is_what_was_here_before_begins_no_epoch() {
    let folder = tempfile::tempdir().unwrap();
    with_gap(folder.path()).await;
    assert_eq!(store(folder.path()).restored().unwrap(), None);
}

#[tokio::test]
async fn a_restored_backup_ends_what_was_open_and_begins_one_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let backup = with_gap(folder.path()).await;
    let replaced = restore(&backup, &db(folder.path()), NOW).unwrap();
    assert!(replaced.before.unwrap().exists(), "nothing is deleted");

    let found = store(folder.path());
    let epoch = found.epoch().to_vec();
    assert_eq!(
        found.restored().unwrap(),
        Some(Restored::Backup { taken_at: NOW })
    );
    for n in 0..3 {
        end_one(&found, n, Cause::StoreRestored).await.unwrap();
    }
    assert_eq!(found.count_open().unwrap(), 0);
    for n in 0..3 {
        let ended = found.job(id(n)).unwrap().unwrap().job.ended().unwrap();
        assert_eq!(ended.cause, Cause::StoreRestored);
    }
    assert!(
        found.job(id(4)).unwrap().is_none(),
        "it does not know the gap"
    );
    // The five jobs had 15 records: none of their numbers is given again.
    let next = found.record(&RecordKey::Number(16)).unwrap().unwrap();
    assert_eq!(next.leaf.event, Event::JobEnded);

    let record = Record::new(Event::StoreRestored, NOW);
    found.begin_epoch([9; 16], vec![], record).await.unwrap();
    drop(found);
    let again = store(folder.path());
    assert_eq!(again.restored().unwrap(), None, "once is enough");
    assert_eq!(again.epoch(), [9; 16]);
    assert_ne!(again.epoch(), epoch);
    drop(again);
    // A copy of the epoch before is one that knows nothing of this one.
    restore(&backup, &db(folder.path()), NOW).unwrap();
    let connection = rusqlite::Connection::open(db(folder.path())).unwrap();
    let forget = "DELETE FROM installation WHERE key = 'backup_taken_at'";
    connection.execute(forget, []).unwrap();
    drop(connection);
    let old = store(folder.path()).restored().unwrap();
    assert!(matches!(old, Some(Restored::OlderCopy { .. })), "{old:?}");
}

#[tokio::test]
async fn an_old_copy_that_somebody_put_in_place_is_noticed_and_stays_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let live = store(folder.path());
    open_one(&live, 0).await.unwrap();
    drop(live);
    let old = fs::read(db(folder.path())).unwrap();
    let live = store(folder.path());
    open_one(&live, 1).await.unwrap();
    drop(live);
    fs::write(db(folder.path()), old).unwrap();
    let noticed = Some(Restored::OlderCopy { has: 3, had: 6 });
    let found = store(folder.path());
    assert_eq!(found.restored().unwrap(), noticed);
    // More records than were lost do not hide it.
    for n in 10..14 {
        open_one(&found, n).await.unwrap();
    }
    drop(found);
    assert_eq!(store(folder.path()).restored().unwrap(), noticed);
}

#[tokio::test]
async fn a_backup_that_is_copied_over_a_crashed_store_is_not_mixed_with_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let live = store(folder.path());
    open_one(&live, 0).await.unwrap();
    let backup = folder.path().join("backup.db");
    back_up(&live, &backup).unwrap();
    for n in 1..5 {
        open_one(&live, n).await.unwrap();
    }
    // As a kill leaves it: the log is there.
    let crashed = tempfile::tempdir().unwrap();
    for name in ["taskpass.db-wal", "taskpass.db.mark"] {
        let _ = fs::copy(folder.path().join(name), crashed.path().join(name));
    }
    fs::copy(&backup, db(crashed.path())).unwrap();
    let found = store(crashed.path());
    assert_eq!(
        found.restored().unwrap(),
        Some(Restored::Backup { taken_at: NOW })
    );
    assert_eq!(found.count_open().unwrap(), 1);
    let aside = crashed.path().join("taskpass.db-wal.of-another-store");
    assert!(aside.exists());
}

#[tokio::test]
async fn a_store_that_vanished_or_was_emptied_is_not_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    with_gap(folder.path()).await;
    let gone = |what: &str| {
        let random = Arc::new(CountingRandom::default());
        let error = SqliteStore::open(&db(folder.path()), &facts(), random).err();
        let error = error.expect(what);
        assert!(
            matches!(error, OpenError::Emptied { records: 15, .. }),
            "{error}"
        );
        assert!(error.to_string().contains("taskpass.db.mark"), "{error}");
    };
    fs::write(db(folder.path()), "").unwrap();
    gone("emptied");
    fs::remove_file(db(folder.path())).unwrap();
    gone("vanished");
    assert!(!db(folder.path()).exists(), "and nothing is made");
    fs::remove_file(folder.path().join("taskpass.db.mark")).unwrap();
    drop(store(folder.path()));
}

#[tokio::test]
async fn what_cannot_be_restored_is_said_and_the_store_stays() {
    let folder = tempfile::tempdir().unwrap();
    let backup = with_gap(folder.path()).await;
    let place = db(folder.path());
    let before = fs::read(&place).unwrap();
    let itself = restore(&place, &place, NOW);
    assert!(matches!(itself, Err(RestoreError::Itself(_))));
    let mut bytes = fs::read(&backup).unwrap();
    let length = bytes.len();
    bytes[length / 2..length / 2 + 4096].fill(0xa5);
    let damaged = folder.path().join("damaged.db");
    fs::write(&damaged, bytes).unwrap();
    let error = restore(&damaged, &place, NOW).unwrap_err();
    assert!(matches!(error, RestoreError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("damaged.db"), "{error}");
    let text = folder.path().join("text");
    fs::write(&text, "no store").unwrap();
    assert!(restore(&text, &place, NOW).is_err());
    let running = store(folder.path());
    let error = restore(&backup, &place, NOW).unwrap_err();
    assert!(
        matches!(error, RestoreError::Open(OpenError::InUse { .. })),
        "{error}"
    );
    drop(running);
    assert_eq!(fs::read(&place).unwrap().len(), before.len());
    assert_eq!(store(folder.path()).restored().unwrap(), None);
}
