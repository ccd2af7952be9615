//! Ways to change the log, each found, with the place where.

use std::fs;
use std::path::{Path, PathBuf};

use super::log::{
    audit, audit_text, bundle, busy_broker, copy, encode, entries, open_jobs, stranger, verify,
    wait_for,
};
use crate::support::eventually;
use crate::support::http;
use crate::support::installation::Installation;
use crate::support::operator::Operator;

/// A log that was stopped, with what an auditor has of it.
struct Log {
    broker: Installation,
    size: u64,
    vkey: String,
    entries: Vec<String>,
    /// A checkpoint that was kept elsewhere.
    kept: PathBuf,
    /// The one before it, with all the files of that time.
    older: PathBuf,
}

impl Log {
    async fn new() -> Self {
        let mut broker = busy_broker().await;
        let vkey = audit_text(&broker, &["key"]).trim().to_owned();
        open_jobs(&broker, 160).await;
        wait_for(&broker, 322).await;
        let older = broker.path("older");
        broker.broker.stop();
        copy(&broker.path("audit-log"), &older);
        broker.restart().await;
        open_jobs(&broker, 160).await;
        broker.broker.stop();
        let at = broker.path("audit-log");
        let kept = broker.path("kept");
        fs::copy(at.join("checkpoint"), &kept).unwrap();
        let note = fs::read_to_string(&kept).unwrap();
        let size = note.lines().nth(1).unwrap().parse().unwrap();
        Self {
            entries: entries(&at, size),
            broker,
            size,
            vkey,
            kept,
            older,
        }
    }

    fn origin(&self) -> &str {
        self.vkey.split('+').next().unwrap()
    }

    /// A copy of the log for somebody to change.
    fn copy(&self, name: &str) -> PathBuf {
        let to = self.broker.path(name);
        copy(&self.broker.path("audit-log"), &to);
        to
    }

    /// Checks a log with the key alone.
    fn check(&self, log: &Path) -> (i32, String) {
        let (code, report) = verify(&[log.to_str().unwrap(), "--key", &self.vkey]);
        (code, format!("{:#}", report["findings"]))
    }

    /// Checks it with the checkpoint that was kept elsewhere, too.
    fn check_with_kept(&self, log: &Path) -> (i32, String) {
        let (log, kept) = (log.to_str().unwrap(), self.kept.to_str().unwrap());
        let (code, report) = verify(&[log, "--key", &self.vkey, "--checkpoint", kept]);
        (code, format!("{:#}", report["findings"]))
    }

    /// A log over other entries, whole and signed.
    fn forge(&self, name: &str, origin: &str, key: &Path, entries: &[String]) -> (PathBuf, String) {
        let to = self.broker.path(name);
        let arguments = ["write", to.to_str().unwrap(), origin, key.to_str().unwrap()];
        let made = stranger(&arguments, &serde_json::to_string(entries).unwrap()).unwrap();
        (to, made["vkey"].as_str().unwrap().to_owned())
    }
}

/// Why a broker is not ready.
pub(super) async fn unready(broker: &mut Installation) -> String {
    let address = broker.operations;
    eventually("readiness says why not", || {
        broker.broker.must_run();
        async move {
            let (status, body) = http::get(address, "/readyz").await?;
            (status == 503).then_some(body)
        }
    })
    .await
}

#[tokio::test]
async fn every_way_to_change_the_files_is_found_and_the_place_named() {
    let log = Log::new().await;
    assert_eq!(log.check_with_kept(&log.broker.path("audit-log")).0, 0);
    let own_key = log.broker.path("audit.key");
    let first = &log.entries[..256];

    // 1. An entry is edited.
    let at = log.copy("edited");
    let mut edited = first.to_vec();
    edited[99] = edited[99].replace("\"v\":1", "\"v\":2");
    fs::write(bundle(&at, 0, 256), encode(&edited)).unwrap();
    let (code, found) = log.check(&at);
    assert!(
        code == 1 && found.contains("\"record\": 100") && found.contains("tile/entries/000"),
        "{found}"
    );
    assert_eq!(found.matches("\"what\"").count(), 1, "{found}");

    // 2. An entry and the hash of it are edited.
    let (other, _) = log.forge(
        "other",
        log.origin(),
        &own_key,
        &[&edited, &log.entries[256..]].concat(),
    );
    fs::copy(other.join("tile/0/000"), at.join("tile/0/000")).unwrap();
    let (code, found) = log.check(&at);
    assert!(
        code == 1 && found.contains("records 1 to 256") && found.contains("tile/0/000"),
        "{found}"
    );

    // 3. A record is taken out of the middle.
    let at = log.copy("removed");
    let removed = [&first[..49], &first[50..]].concat();
    fs::write(bundle(&at, 0, 256), encode(&removed)).unwrap();
    let (code, found) = log.check(&at);
    assert!(code == 1 && found.contains("\"record\": 50"), "{found}");

    // 4. Two records change places.
    let at = log.copy("reordered");
    let mut reordered = first.to_vec();
    reordered.swap(29, 30);
    fs::write(bundle(&at, 0, 256), encode(&reordered)).unwrap();
    let (code, found) = log.check(&at);
    assert!(
        code == 1 && found.contains("\"record\": 30") && found.contains("\"record\": 31"),
        "{found}"
    );

    // 5. A bundle is cut off.
    let at = log.copy("cut-bundle");
    let bytes = fs::read(bundle(&at, 1, 256)).unwrap();
    fs::write(bundle(&at, 1, 256), &bytes[..bytes.len() - 7]).unwrap();
    let (code, found) = log.check(&at);
    assert!(
        code == 1 && found.contains("\"record\": 512") && found.contains("cut off"),
        "{found}"
    );

    // 6. A tile of a higher level is edited; 7. one of the lowest; 8. one is removed.
    for (name, tile, change) in [
        ("higher", "tile/1/000.p/2", Some(40)),
        ("lowest", "tile/0/001", Some(8)),
        ("gone", "tile/0/000", None),
    ] {
        let at = log.copy(name);
        match change {
            Some(place) => {
                let mut bytes = fs::read(at.join(tile)).unwrap();
                bytes[place] ^= 1;
                fs::write(at.join(tile), bytes).unwrap();
            }
            None => fs::remove_file(at.join(tile)).unwrap(),
        }
        let (code, found) = log.check(&at);
        assert!(code == 1 && found.contains(tile), "{tile}: {found}");
    }

    // 9. The end is cut off, with the checkpoint of that time: only what was kept elsewhere shows it.
    assert_eq!(log.check(&log.older).0, 0);
    let (code, found) = log.check_with_kept(&log.older);
    assert!(
        code == 1 && found.contains("cut off") && found.contains(&format!("record {}", log.size)),
        "{found}"
    );
    let old = fs::read_to_string(log.older.join("checkpoint")).unwrap();
    let next: u64 = old.lines().nth(1).unwrap().parse::<u64>().unwrap() + 1;
    assert!(found.contains(&format!("\"record\": {next}")), "{found}");

    // 10. The log is written again and signed by another key.
    let stolen = log.broker.path("stolen.key");
    audit_text(&log.broker, &["key", "--create", stolen.to_str().unwrap()]);
    let (at, _) = log.forge("another-key", log.origin(), &stolen, &log.entries);
    let (code, found) = log.check(&at);
    assert!(
        code == 1 && found.contains("not signed by the given key"),
        "{found}"
    );

    // 11. It is written again and signed by the right key: only what was kept elsewhere shows it.
    let mut rewritten = log.entries.clone();
    rewritten.remove(300);
    rewritten.push(rewritten[3].clone());
    let (at, vkey) = log.forge("rewritten", log.origin(), &own_key, &rewritten);
    assert_eq!(vkey, log.vkey);
    assert_eq!(log.check(&at).0, 0);
    let (code, found) = log.check_with_kept(&at);
    assert!(code == 1 && found.contains("rewritten"), "{found}");

    // 12. The checkpoint is one of another log, or altered.
    let at = log.copy("another-log");
    let (foreign, _) = log.forge("foreign", "other.example/audit", &own_key, &log.entries);
    fs::copy(foreign.join("checkpoint"), at.join("checkpoint")).unwrap();
    let (code, found) = log.check(&at);
    assert!(
        code == 1 && found.contains("checkpoint of the log `other.example/audit`"),
        "{found}"
    );
    let note = fs::read_to_string(&log.kept).unwrap();
    fs::write(
        at.join("checkpoint"),
        note.replacen(&log.size.to_string(), "700", 1),
    )
    .unwrap();
    let (code, found) = log.check(&at);
    assert!(code == 1 && found.contains("altered"), "{found}");

    // 13. Everything but the checkpoint is another log.
    let at = log.copy("replaced");
    copy(&log.broker.path("rewritten/tile"), &at.join("tile"));
    let (code, found) = log.check(&at);
    assert!(
        code == 1 && found.contains("fit one another, but not the signed root"),
        "{found}"
    );

    // A kept checkpoint of another log is said to be one.
    let foreign = foreign.join("checkpoint");
    let at = log.broker.path("audit-log");
    let arguments = [
        at.to_str().unwrap(),
        "--key",
        &log.vkey,
        "--checkpoint",
        foreign.to_str().unwrap(),
    ];
    let (code, report) = verify(&arguments);
    assert_eq!(code, 1, "{report:#}");
}

#[tokio::test]
async fn a_changed_store_is_found_at_the_start_issues_nothing_and_ends_all_the_same() {
    let mut log = Log::new().await;
    let edit = "UPDATE audit SET leaf = replace(leaf, '\"v\":1', '\"v\":2') WHERE number = ";
    let table = [
        (
            format!("{edit}{}", log.size),
            format!("record {} was changed", log.size),
        ),
        (format!("{edit}17"), "record 17 was changed".to_owned()),
        (
            "DELETE FROM audit WHERE number = 77".to_owned(),
            "record 77 is missing".to_owned(),
        ),
        (
            "UPDATE audit SET details = '{}' WHERE number = 5".to_owned(),
            "the details of record 5 were changed".to_owned(),
        ),
    ];
    let store = log.broker.path("taskpass.db");
    let whole = fs::read(&store).unwrap();
    let mark = fs::read(log.broker.path("taskpass.db.mark")).unwrap();
    let published = log.copy("whole");
    for (sql, expected) in table {
        fs::write(&store, &whole).unwrap();
        fs::write(log.broker.path("taskpass.db.mark"), &mark).unwrap();
        fs::remove_dir_all(log.broker.path("audit-log")).unwrap();
        copy(&published, &log.broker.path("audit-log"));
        for ending in ["-wal", "-shm"] {
            let _ = fs::remove_file(log.broker.path(&format!("taskpass.db{ending}")));
        }
        let connection = rusqlite::Connection::open(&store).unwrap();
        assert!(connection.execute(&sql, []).unwrap() > 0);
        drop(connection);
        log.broker.restart_unready();
        let why = unready(&mut log.broker).await;
        assert!(why.contains(&expected), "{sql}: {why}");
        let mut client = log
            .broker
            .client("spiffe://acme.example/prod/ci/docs")
            .await;
        let refused = client
            .open(client.request("deploy-docs"))
            .await
            .unwrap_err();
        assert_eq!(refused.reason, "STORE_UNAVAILABLE");
        log.broker.broker.stop();
        // What was signed meanwhile goes on from what was signed before.
        let (code, found) = log.check_with_kept(&log.broker.path("audit-log"));
        assert_eq!(code, 0, "{found}");
        let status = audit(&log.broker, &["checkpoint"]);
        assert_eq!(status.status.code(), Some(1));
    }
}

#[tokio::test]
async fn a_store_whose_end_was_cut_off_is_taken_for_an_old_copy_and_what_is_lost_stays_told() {
    let mut log = Log::new().await;
    let store = rusqlite::Connection::open(log.broker.path("taskpass.db")).unwrap();
    let cut = format!("DELETE FROM audit WHERE number > {}", log.size - 9);
    assert_eq!(store.execute(&cut, []).unwrap(), 9);
    drop(store);
    log.broker.restart().await;
    let mut operator = Operator::connect(&log.broker).await;
    assert_eq!(operator.events("store.restored").await.len(), 1);
    let continued = operator.events("log.continued").await;
    assert_eq!(continued.len(), 1);
    // The new log names the old one as it was published, with the end that was cut off.
    let size = format!("\\n{}\\n", log.size);
    let details = &continued[0].details;
    assert!(details.contains(&size), "{size}: {details}");
    assert_eq!(operator.events("record.lost").await.len(), 9);
}
