//! Opening a store.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::adapters::store::sqlite::OpenError;

fn path(folder: &Path) -> std::path::PathBuf {
    folder.join("taskpass.db")
}

fn refusal(path: &Path, facts: &InstallationFacts) -> OpenError {
    let random = Arc::new(CountingRandom::default());
    SqliteStore::open(path, facts, random).err().unwrap()
}

#[test]
fn the_epoch_is_drawn_once() {
    let folder = tempfile::tempdir().unwrap();
    let first = store(folder.path()).epoch().to_vec();
    assert_eq!(first.len(), 16);
    assert_eq!(store(folder.path()).epoch(), first);
    assert_eq!(store(folder.path()).facts(), &facts());
}

#[test]
fn another_installation_is_refused_by_the_fact_that_differs() {
    let folder = tempfile::tempdir().unwrap();
    drop(store(folder.path()));
    let other = || "other".to_owned();
    let table = [
        (
            "issuer",
            InstallationFacts {
                issuer: other(),
                ..facts()
            },
            facts().issuer,
        ),
        (
            "SPIFFE ID",
            InstallationFacts {
                spiffe_id: other(),
                ..facts()
            },
            facts().spiffe_id,
        ),
        (
            "audit origin",
            InstallationFacts {
                audit_origin: other(),
                ..facts()
            },
            facts().audit_origin,
        ),
    ];
    for (fact, configured, stored) in table {
        let error = refusal(&path(folder.path()), &configured).to_string();
        for word in [fact, &stored, "`other`"] {
            assert!(error.contains(word), "{error}");
        }
    }
    assert_eq!(
        store(folder.path()).facts(),
        &facts(),
        "and nothing of it was kept"
    );
}

#[test]
fn a_newer_schema_is_refused_with_both_versions() {
    let folder = tempfile::tempdir().unwrap();
    drop(store(folder.path()));
    let connection = rusqlite::Connection::open(path(folder.path())).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let error = refusal(&path(folder.path()), &facts()).to_string();
    assert!(
        error.contains("version 99") && error.contains("versions up to "),
        "{error}"
    );
}

#[test]
fn what_is_no_store_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let text = b"no database at all, and longer than the header of one, which is a hundred bytes. "
        .repeat(2);
    std::fs::write(path(folder.path()), &text).unwrap();
    let error = refusal(&path(folder.path()), &facts());
    assert!(matches!(error, OpenError::NotAStore { .. }), "{error}");
    assert_eq!(std::fs::read(path(folder.path())).unwrap(), text);

    let foreign = folder.path().join("foreign.db");
    let connection = rusqlite::Connection::open(&foreign).unwrap();
    connection.execute("CREATE TABLE job (id)", []).unwrap();
    drop(connection);
    let before = std::fs::read(&foreign).unwrap();
    let error = refusal(&foreign, &facts());
    assert!(matches!(error, OpenError::NotAStore { .. }), "{error}");
    assert_eq!(std::fs::read(&foreign).unwrap(), before);
}

#[test]
fn a_missing_directory_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let error = refusal(&missing.join("taskpass.db"), &facts());
    assert!(matches!(error, OpenError::NoDirectory { .. }), "{error}");
    assert!(
        error.to_string().contains(missing.to_str().unwrap()),
        "{error}"
    );
}

#[test]
fn a_file_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = refusal(folder.path().parent().unwrap(), &facts());
    assert!(matches!(error, OpenError::File { .. }), "{error}");
}

#[test]
fn a_second_broker_is_kept_out_until_the_first_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let first = store(folder.path());
    let error = refusal(&path(folder.path()), &facts());
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    drop(first);
    drop(store(folder.path()));
}

#[tokio::test]
async fn its_files_are_readable_by_their_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    open_one(&store, 1).await.unwrap();
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?}", entry.file_name());
        names.push(entry.file_name());
    }
    // The file, its log, the log's index, the lock; the mark comes within a second.
    assert!(names.len() >= 4, "{names:?}");
    drop(store);
    let mark = folder.path().join("taskpass.db.mark");
    let mode = std::fs::metadata(mark).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0);
}
