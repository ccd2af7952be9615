//! Policy on its way from files into force.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::Connection;

use super::{Bench, INSTALLATION, POLICY};
use crate::app::policy_source::PolicySource;
use crate::operations::policy_in_force::Fault;
use crate::ports::store::StoreErrorKind;

/// Files of a policy beside a bench's store, in force there.
struct Files {
    bench: Bench,
    source: Arc<PolicySource>,
}

impl Files {
    async fn new() -> Self {
        let bench = Bench::new().await;
        let path = |name: &str| bench.folder.path().join(name);
        fs::create_dir(path("policy")).unwrap();
        let source = Arc::new(PolicySource::new(path("policy"), path("installation.toml")));
        let this = Self { bench, source };
        fs::write(this.path("installation.toml"), INSTALLATION).unwrap();
        this.write("policy.toml", POLICY);
        this.source.reload(&this.bench.operations).await.unwrap();
        this
    }

    fn path(&self, name: &str) -> PathBuf {
        self.bench.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path("policy").join(name), text).unwrap();
    }

    /// As often as it takes for files that lie still.
    async fn look(&self) {
        self.source.step(&self.bench.operations).await;
    }

    fn refused(&self) -> Option<(Fault, String)> {
        let refused = self.bench.operations.policy_status().refused;
        refused.map(|refused| (refused.fault, refused.why))
    }

    async fn is_granted(&self) -> bool {
        self.bench.open().await.is_ok()
    }

    /// From now on, the store can keep a policy or not.
    fn let_store_keep(&self, can_keep: bool) {
        let store = Connection::open(self.path("taskpass.db")).unwrap();
        let sql = if can_keep {
            "DROP TRIGGER full"
        } else {
            "CREATE TRIGGER full BEFORE INSERT ON policy BEGIN SELECT RAISE(ABORT, 'no room'); END"
        };
        store.execute_batch(sql).unwrap();
    }
}

#[tokio::test]
async fn a_policy_that_the_store_could_not_keep_is_tried_again_until_it_is_in_force() {
    let files = Files::new().await;
    files.let_store_keep(false);
    files.write("policy.toml", &POLICY.replace("ci/*", "nobody/*"));
    for _ in 0..3 {
        files.look().await;
        assert!(files.is_granted().await, "by the policy before");
        let (fault, why) = files.refused().unwrap();
        assert_eq!(fault, Fault::Store(StoreErrorKind::Other));
        assert!(
            why.contains("the store failed") && why.contains("tried again"),
            "{why}"
        );
    }
    files.let_store_keep(true);
    files.look().await;
    assert!(!files.is_granted().await);
    assert_eq!(files.refused(), None);
}

#[tokio::test]
async fn a_policy_that_could_not_be_kept_is_forgotten_when_its_files_are_taken_back() {
    let files = Files::new().await;
    files.let_store_keep(false);
    files.write("policy.toml", &POLICY.replace("ci/*", "nobody/*"));
    files.look().await;
    assert!(files.refused().is_some());
    files.write("policy.toml", POLICY);
    files.look().await;
    assert_eq!(files.refused(), None);
    files.let_store_keep(true);
    files.look().await;
    assert!(files.is_granted().await);
}

#[tokio::test]
async fn files_that_could_not_be_read_and_are_whole_again_are_no_longer_refused() {
    let files = Files::new().await;
    let link = files.path("policy/x.toml");
    std::os::unix::fs::symlink("nowhere", &link).unwrap();
    files.look().await;
    assert_eq!(files.refused().unwrap().0, Fault::Files);
    fs::remove_file(link).unwrap();
    files.look().await;
    assert_eq!(files.refused(), None);
}
