//! The log over a real store, with files in memory that fail when they are told to.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::adapters::keys::audit_key::AuditKey;
use crate::adapters::store::sqlite::{InstallationFacts, SqliteStore};
use crate::domain::audit::{Event, Record};
use crate::domain::time::UnixMillis;
use crate::domain::tlog::proof::{Prover, Tiles};
use crate::domain::tlog::tile::parse_hashes;
use crate::domain::tlog::verify::{self, Head};
use crate::domain::tlog::{Checkpoint, Hash, Peaks, TilePath, VerifierKey, leaf_hash};
use crate::operations::audit_log::erase::{Erasure, ErasureOrder};
use crate::operations::audit_log::{AuditLog, LogIdentity, LogParts};
use crate::ports::clock::fake::FakeClock;
use crate::ports::log_files::fake::FilesInMemory;
use crate::ports::log_files::{CheckpointSigner, LogFiles};
use crate::ports::random::fake::CountingRandom;
use crate::ports::store::audit::{AuditQuery, AuditStore, RecordKey};
use crate::ports::store::tree::{EntryStore, TreeStore};

const ORIGIN: &str = "taskpass.acme.example/audit";
const NOW: UnixMillis = UnixMillis::new(1_700_000_000_000);

/// A store with its log.
struct Bench {
    folder: TempDir,
    store: Arc<SqliteStore>,
    files: Arc<FilesInMemory>,
    key: Arc<AuditKey>,
    epoch: Vec<u8>,
    log: Arc<AuditLog>,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder.path().join("taskpass.db"));
        let files = Arc::new(FilesInMemory::default());
        let key = Arc::new(new_key());
        let epoch = vec![7; 16];
        let log = log(&store, &files, &key, &epoch);
        Self {
            folder,
            store,
            files,
            key,
            epoch,
            log,
        }
    }

    /// As after `kill -9` and a start.
    fn restart(&mut self) {
        self.log = log(&self.store, &self.files, &self.key, &self.epoch);
    }

    async fn append(&self, count: u64) {
        let records = (0..count).map(|n| Record {
            details: json!({ "n": n }),
            ..Record::new(Event::BrokerStarted, NOW)
        });
        self.store.append(records.collect()).await.unwrap();
    }

    fn sql(&self, sql: &str) {
        let path = self.folder.path().join("taskpass.db");
        Connection::open(path).unwrap().execute(sql, []).unwrap();
    }

    fn verifier(&self, origin: &str) -> VerifierKey {
        VerifierKey::new(origin, self.key.public_key()).unwrap()
    }

    fn published(&self) -> Checkpoint {
        let note = self.files.checkpoint().unwrap().unwrap();
        Checkpoint::open(&note, &[self.verifier(ORIGIN)]).unwrap()
    }

    /// The root that the store's records give.
    fn root_of_records(&self, size: u64) -> Hash {
        let mut peaks = Peaks::default();
        let entries = self.store.entries(0, usize::try_from(size).unwrap());
        for entry in entries.unwrap() {
            peaks.append(leaf_hash(entry.leaf.as_bytes()));
        }
        assert_eq!(peaks.size(), size);
        peaks.root()
    }

    fn trouble(&self) -> String {
        self.log.status().trouble.map_or(String::new(), |t| t.what)
    }

    async fn survey(&self) {
        let survey = Arc::clone(&self.log).survey(CancellationToken::new());
        tokio::time::timeout(Duration::from_secs(60), survey)
            .await
            .unwrap();
    }
}

impl Tiles for &FilesInMemory {
    type Error = ();

    fn tile(&mut self, path: TilePath) -> Result<Vec<Hash>, ()> {
        let bytes = LogFiles::tile(*self, path).unwrap().ok_or(())?;
        parse_hashes(path, &bytes).ok_or(())
    }
}

fn new_key() -> AuditKey {
    let pem = AuditKey::new_pem(&CountingRandom::default()).unwrap();
    AuditKey::from_pem(pem.as_bytes()).unwrap()
}

fn open(path: &Path) -> Arc<SqliteStore> {
    let facts = InstallationFacts {
        issuer: "https://taskpass.acme.example".into(),
        spiffe_id: "spiffe://acme.example/broker".into(),
        audit_origin: ORIGIN.into(),
    };
    let random = Arc::new(CountingRandom::default());
    Arc::new(SqliteStore::open(path, &facts, random).unwrap())
}

fn log(
    store: &Arc<SqliteStore>,
    files: &Arc<FilesInMemory>,
    key: &Arc<AuditKey>,
    epoch: &[u8],
) -> Arc<AuditLog> {
    Arc::new(AuditLog::new(LogParts {
        store: Arc::clone(store) as _,
        files: Arc::clone(files) as _,
        clock: Arc::new(FakeClock::at(NOW)),
        identity: LogIdentity {
            origin: ORIGIN.to_owned(),
            epoch: epoch.to_vec(),
            signer: Ok(Arc::clone(key) as _),
        },
    }))
}

#[tokio::test]
async fn every_record_is_signed_and_every_checkpoint_extends_the_one_before() {
    let bench = Bench::new();
    let mut before = None;
    for count in [1, 2, 253, 1, 300, 0, 9_000] {
        bench.append(count).await;
        bench.log.sequence().await;
        let now = bench.published();
        assert_eq!(now.size, bench.store.last_entry().unwrap());
        assert_eq!(now.root, bench.root_of_records(now.size));
        let mut files = bench.files.as_ref();
        if let Some(before) = before {
            let proof = Prover::new(now.size, &mut files).consistency(before_size(&before));
            let head = |c: &Checkpoint| Head {
                size: c.size,
                root: c.root,
            };
            assert_eq!(
                verify::consistency(head(&before), head(&now), &proof.unwrap()),
                Ok(())
            );
        }
        before = Some(now);
    }
    bench.survey().await;
    assert_eq!(bench.log.status().damaged, Vec::<String>::new());
    let status = bench.log.status();
    assert_eq!(
        (status.trouble, status.late, status.size),
        (None, None, 9_557)
    );
}

fn before_size(checkpoint: &Checkpoint) -> u64 {
    checkpoint.size
}

#[tokio::test]
async fn dying_at_any_write_never_gives_two_trees() {
    let mut bench = Bench::new();
    bench.append(250).await;
    bench.log.sequence().await;
    let mut signed = BTreeSet::from([(bench.published().size, bench.published().root)]);
    for left in 0..40 {
        bench.append(3).await;
        *bench.files.writes_left.lock() = Some(left % 8);
        bench.log.sequence().await;
        let late = bench.log.status().late;
        assert!(left % 8 > 3 || late.is_some(), "{left}");
        let stored = bench.store.tree().unwrap().unwrap().checkpoint.unwrap();
        let stored = Checkpoint::open(stored.as_bytes(), &[bench.verifier(ORIGIN)]).unwrap();
        signed.insert((stored.size, stored.root));
        signed.insert((bench.published().size, bench.published().root));
        *bench.files.writes_left.lock() = None;
        if left % 3 != 0 {
            bench.restart();
        }
        bench.log.sequence().await;
        assert_eq!(bench.trouble(), "");
        assert_eq!(bench.published().size, bench.store.last_entry().unwrap());
        signed.insert((bench.published().size, bench.published().root));
    }
    // One root for each size, and each the root of the records.
    let sizes: BTreeSet<u64> = signed.iter().map(|(size, _)| *size).collect();
    assert_eq!(sizes.len(), signed.len());
    for (size, root) in signed {
        assert_eq!(root, bench.root_of_records(size));
    }
}

#[tokio::test]
async fn a_start_reads_the_last_tiles_only_and_writes_missing_ones_again() {
    let mut bench = Bench::new();
    bench.append(600).await;
    bench.log.sequence().await;
    let whole = bench.files.files.lock().clone();
    // The first tile is nothing that a start needs.
    bench.files.files.lock().remove("tile/0/000");
    bench.restart();
    bench.log.sequence().await;
    assert_eq!(bench.trouble(), "");
    bench.survey().await;
    assert_eq!(bench.log.status().damaged, ["tile/0/000"]);
    // Without the last one, everything is looked at, and what is missing is there again.
    bench.files.files.lock().remove("tile/0/002.p/88");
    bench.restart();
    bench.log.sequence().await;
    assert_eq!(
        (bench.trouble(), bench.log.status().damaged),
        (String::new(), Vec::new())
    );
    assert_eq!(*bench.files.files.lock(), whole);
    // All of it, the checkpoint too.
    bench.files.files.lock().clear();
    bench.restart();
    bench.log.sequence().await;
    assert_eq!(*bench.files.files.lock(), whole);
}

#[tokio::test]
async fn a_store_that_was_changed_is_found_at_the_start_and_the_record_named() {
    const LAST: &str = "record 600 was changed in the store after it was signed";
    let swap =
        "UPDATE audit SET leaf = replace(leaf, 'broker.started', 'policy.loaded') WHERE number = ";
    let table = [
        (
            "DELETE FROM audit WHERE number > 590".to_owned(),
            "record 591 is missing in the store",
        ),
        (format!("{swap} 600"), LAST),
        (format!("{swap} 17"), "record 17 was changed in the store"),
        (
            "DELETE FROM audit WHERE number = 300".to_owned(),
            "record 300 is missing",
        ),
        (
            "UPDATE audit SET details = '{}' WHERE number = 301".to_owned(),
            "the details of record 301 were changed",
        ),
        ("UPDATE audit SET leaf = (SELECT other.leaf FROM audit AS other WHERE other.number = 59 - audit.number) WHERE number IN (29, 30)".to_owned(), "record 29 was changed"),
        (
            "UPDATE audit_tree SET checkpoint = replace(checkpoint, '600', '599')".to_owned(),
            "the last checkpoint in the store",
        ),
        (
            "DELETE FROM audit_tree".to_owned(),
            "the store knows of no log",
        ),
    ];
    for (sql, expected) in table {
        let mut bench = Bench::new();
        bench.append(600).await;
        bench.log.sequence().await;
        bench.sql(&sql);
        bench.restart();
        bench.append(1).await;
        bench.log.sequence().await;
        bench.survey().await;
        let trouble = bench.trouble();
        assert!(trouble.contains(expected), "{sql}: {trouble}");
        assert!(bench.log.is_broken());
    }
}

#[tokio::test]
async fn a_store_that_is_changed_while_the_broker_runs_is_signed_no_further() {
    let table = [
        (
            "DELETE FROM audit WHERE number > 590",
            "the store ends with record 590, and 600 records were signed: record 591 and all after it",
        ),
        (
            "UPDATE audit SET leaf = replace(leaf, 'broker.started', 'policy.loaded') WHERE number = 600",
            "record 600 was changed in the store after it was signed",
        ),
        (
            "DELETE FROM audit WHERE number = 602",
            "record 602 is missing in the store",
        ),
    ];
    for (sql, expected) in table {
        let bench = Bench::new();
        bench.append(600).await;
        bench.log.sequence().await;
        let signed = bench.published();
        bench.append(3).await;
        bench.sql(sql);
        bench.log.sequence().await;
        let trouble = bench.trouble();
        assert!(trouble.contains(expected), "{sql}: {trouble}");
        assert_eq!(bench.published(), signed, "{sql}");
        assert!(bench.log.is_broken());
    }
}

#[tokio::test]
async fn a_store_whose_end_was_cut_off_says_from_which_record_on() {
    let mut bench = Bench::new();
    bench.append(600).await;
    bench.log.sequence().await;
    bench.sql("DELETE FROM audit WHERE number > 590");
    bench.restart();
    bench.log.sequence().await;
    let trouble = bench.trouble();
    assert!(
        trouble.contains("record 591 and all after it are missing"),
        "{trouble}"
    );
}

#[tokio::test]
async fn nothing_more_is_signed_beside_a_store_that_was_put_back() {
    let mut bench = Bench::new();
    bench.append(10).await;
    bench.log.sequence().await;
    let backup = bench.folder.path().join("backup.db");
    bench.sql(&format!("VACUUM INTO '{}'", backup.display()));
    bench.append(5).await;
    bench.log.sequence().await;
    let newest = bench.published();

    bench.store = open(&backup);
    bench.append(9).await;
    bench.restart();
    bench.log.sequence().await;
    let trouble = bench.trouble();
    assert!(
        trouble.contains("15 records were signed, and the store knows of 10; record 11"),
        "{trouble}"
    );
    assert_eq!(bench.published(), newest);

    // Numbers that were given before are never given again: a restored store has lost some.
    let lost = "DELETE FROM audit WHERE number BETWEEN 11 AND 15";
    let restored = Connection::open(bench.folder.path().join("backup.db")).unwrap();
    assert_eq!(restored.execute(lost, []).unwrap(), 5);

    // The way out: a new epoch, and with it a log of its own that names the old one.
    bench.epoch = vec![8; 16];
    bench.restart();
    bench.log.sequence().await;
    assert_eq!(bench.trouble(), "");
    let origin = format!("{ORIGIN}#{}", "08".repeat(16));
    let note = bench.files.checkpoint().unwrap().unwrap();
    let fresh = Checkpoint::open(&note, &[bench.verifier(&origin)]).unwrap();
    assert_eq!((fresh.size, fresh.root), (20, bench.root_of_records(20)));
    let query = AuditQuery {
        event: Some("log.continued".to_owned()),
        limit: 9,
        ..AuditQuery::default()
    };
    let said = bench.store.records(&query).unwrap().records.remove(0);
    let before = &said.details.unwrap()["before"];
    assert_eq!(before["origin"], ORIGIN);
    assert!(before["published"].as_str().unwrap().contains("\n15\n"));
    assert!(before["in_the_backup"].as_str().unwrap().contains("\n10\n"));
    let query = AuditQuery {
        event: Some("record.lost".to_owned()),
        ..query
    };
    let lost = bench.store.records(&query).unwrap().records;
    let numbers: Vec<u64> = lost.iter().map(|record| record.number).collect();
    assert_eq!(numbers, [11, 12, 13, 14, 15]);
    let aside = format!("before/{}/tile/0/000.p/15", "08".repeat(16));
    assert!(bench.files.files.lock().contains_key(&aside));
    bench.restart();
    bench.append(1).await;
    bench.log.sequence().await;
    assert_eq!(
        (bench.trouble(), bench.log.status().size),
        (String::new(), 21)
    );
}

#[tokio::test]
async fn a_log_is_never_continued_with_another_key_or_in_anothers_directory() {
    let mut bench = Bench::new();
    bench.append(3).await;
    bench.log.sequence().await;
    let own = Arc::clone(&bench.key);
    let random = CountingRandom::default();
    let _ = new_key();
    drop(AuditKey::new_pem(&random).unwrap());
    let pem = AuditKey::new_pem(&random).unwrap();
    bench.key = Arc::new(AuditKey::from_pem(pem.as_bytes()).unwrap());
    bench.restart();
    bench.log.sequence().await;
    assert!(
        bench.trouble().contains("not signed by the given key"),
        "{}",
        bench.trouble()
    );

    bench.key = own;
    let foreign = VerifierKey::new("other.example/audit", bench.key.public_key()).unwrap();
    let text = format!("other.example/audit\n1\n{}\n", Hash::EMPTY_TREE);
    let line = foreign.signature_line(&bench.key.sign(&text));
    let note = format!("{text}\n{line}").into_bytes();
    bench
        .files
        .files
        .lock()
        .insert("checkpoint".to_owned(), note);
    bench.restart();
    bench.log.sequence().await;
    assert!(
        bench
            .trouble()
            .contains("checkpoint of the log `other.example/audit`"),
        "{}",
        bench.trouble()
    );
}

#[tokio::test]
async fn details_are_erased_by_order_and_by_age_and_every_proof_still_holds() {
    let bench = Bench::new();
    bench.append(300).await;
    bench.log.sequence().await;
    let order = ErasureOrder {
        by: "uid 0".to_owned(),
        note: "asked for".to_owned(),
    };
    let erased = bench
        .log
        .erase(Erasure::Records(vec![2, 2, 5, 999]), &order);
    assert_eq!(erased.await, Ok(2));
    let again = bench.log.erase(Erasure::Records(vec![2]), &order);
    assert_eq!(again.await, Ok(0));
    bench.log.sequence().await;
    bench.survey().await;
    assert_eq!(bench.trouble(), "");
    let proof = bench.log.prove(2).unwrap();
    let extra: serde_json::Value = serde_json::from_slice(&proof.extra.unwrap()).unwrap();
    assert_eq!(
        (&extra["details"], &extra["salt"]),
        (&json!(null), &json!(null))
    );
    let signed = Checkpoint::open(proof.checkpoint.as_bytes(), &[bench.verifier(ORIGIN)]).unwrap();
    let leaf = leaf_hash(extra["leaf"].as_str().unwrap().as_bytes());
    let holds = verify::inclusion(leaf, 1, signed.size, &proof.hashes, signed.root);
    assert_eq!(holds, Ok(()));

    let before = bench.log.erase(Erasure::Before(NOW), &order).await;
    assert_eq!(before, Ok(0));
    // Everything is a minute old as soon as the age is nothing at all.
    assert_eq!(bench.log.retain(Duration::from_secs(60), 1).await, Ok(1));
    let later = bench
        .log
        .erase(Erasure::Before(NOW.plus(Duration::from_secs(1))), &order)
        .await;
    // All of the 300 but the two, and not the record of their erasure.
    assert_eq!(later, Ok(298));
}

#[tokio::test]
async fn who_erased_what_is_never_erased() {
    let bench = Bench::new();
    bench.append(3).await;
    let order = ErasureOrder {
        by: "uid 1000".to_owned(),
        note: "nothing to see here".to_owned(),
    };
    let erased = bench.log.erase(Erasure::Records(vec![2]), &order).await;
    assert_eq!(erased, Ok(1));
    let traces = bench.log.erase(Erasure::Records(vec![4]), &order).await;
    assert_eq!(traces, Ok(0));
    let tomorrow = NOW.plus(Duration::from_secs(24 * 3600));
    let rest = bench.log.erase(Erasure::Before(tomorrow), &order).await;
    assert_eq!(rest, Ok(2));
    let record = bench.store.record(&RecordKey::Number(4)).unwrap().unwrap();
    let details = record.details.unwrap();
    assert_eq!(details["note"], json!("nothing to see here"));
}
