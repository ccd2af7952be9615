//! Files that somebody or something has damaged: the store is not opened, and the file is named.

use std::fs;

use super::*;
use crate::adapters::store::sqlite::OpenError;
use crate::ports::store::epoch::{EpochStore, Restored};

fn refusal(folder: &Path) -> OpenError {
    let random = Arc::new(CountingRandom::default());
    SqliteStore::open(&folder.join("taskpass.db"), &facts(), random)
        .err()
        .unwrap()
}

/// The files of a store with thirty jobs, as a kill leaves them.
async fn killed() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let live = store(folder.path());
    for n in 0..30 {
        open_one(&live, n).await.unwrap();
    }
    let killed = tempfile::tempdir().unwrap();
    for name in ["taskpass.db", "taskpass.db-wal"] {
        fs::copy(folder.path().join(name), killed.path().join(name)).unwrap();
    }
    drop(live);
    fs::copy(
        folder.path().join("taskpass.db.mark"),
        killed.path().join("taskpass.db.mark"),
    )
    .unwrap();
    killed
}

/// The same, stopped: everything is in one file.
async fn stopped() -> tempfile::TempDir {
    let folder = killed().await;
    drop(store(folder.path()));
    assert!(!folder.path().join("taskpass.db-wal").exists());
    folder
}

#[tokio::test]
async fn a_page_that_was_overwritten_anywhere_is_found_before_the_start() {
    let folder = stopped().await;
    let path = folder.path().join("taskpass.db");
    let sound = fs::read(&path).unwrap();
    let pages = sound.len() / 4096;
    assert!(pages > 20);
    for page in 0..pages {
        let mut damaged = sound.clone();
        damaged[page * 4096..(page + 1) * 4096].fill(0xa5);
        fs::write(&path, damaged).unwrap();
        let error = refusal(folder.path());
        assert!(error.to_string().contains("taskpass.db"), "{error}");
        assert!(error.to_string().contains("restore"), "{error}");
    }
    fs::write(&path, sound).unwrap();
    drop(store(folder.path()));
}

#[tokio::test]
async fn a_file_that_was_cut_off_is_found() {
    let folder = stopped().await;
    let path = folder.path().join("taskpass.db");
    let sound = fs::read(&path).unwrap();
    for length in [
        100,
        4096,
        sound.len() / 2,
        sound.len() - 4096,
        sound.len() - 1,
    ] {
        fs::write(&path, &sound[..length]).unwrap();
        let error = refusal(folder.path()).to_string();
        assert!(error.contains("taskpass.db"), "{error}");
    }
}

#[tokio::test]
async fn a_log_that_was_damaged_in_its_middle_is_found_and_can_be_moved_aside() {
    let folder = killed().await;
    let log = folder.path().join("taskpass.db-wal");
    let mut bytes = fs::read(&log).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&log, bytes).unwrap();
    let error = refusal(folder.path());
    assert!(matches!(error, OpenError::LogDamaged { .. }), "{error}");
    assert!(error.to_string().contains("taskpass.db-wal"), "{error}");
    // How much of it lies in the file alone depends on the copying; it is never taken for the whole.
    fs::remove_file(&log).unwrap();
    let random = Arc::new(CountingRandom::default());
    match SqliteStore::open(&folder.path().join("taskpass.db"), &facts(), random) {
        Ok(found) => assert!(found.restored().unwrap().is_some()),
        Err(error) => assert!(
            matches!(error, OpenError::Damaged { .. } | OpenError::Emptied { .. }),
            "{error}"
        ),
    }
}

#[tokio::test]
async fn a_log_that_went_missing_makes_an_old_copy_of_the_store() {
    let folder = stopped().await;
    let live = store(folder.path());
    open_one(&live, 200).await.unwrap();
    let database = fs::read(folder.path().join("taskpass.db")).unwrap();
    drop(live);
    fs::write(folder.path().join("taskpass.db"), database).unwrap();
    let found = store(folder.path());
    assert_eq!(
        found.restored().unwrap(),
        Some(Restored::OlderCopy { has: 90, had: 93 })
    );
}
