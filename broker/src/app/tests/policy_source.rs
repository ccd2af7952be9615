//! Policy on its way from files into force.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{Bench, INSTALLATION, POLICY};
use crate::app::policy_source::PolicySource;
use crate::domain::policy::PolicyHash;
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

    /// One look at the files, as whoever watches them does.
    async fn look(&self) -> Duration {
        self.source.step(&self.bench.operations).await
    }

    /// As many looks as files need that lie still.
    async fn watch(&self) {
        self.look().await;
        self.look().await;
    }

    /// The hash of what is in force.
    fn policy(&self) -> PolicyHash {
        self.bench.operations.policy().unwrap().hash()
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
        files.watch().await;
        assert!(files.is_granted().await, "by the policy before");
        let (fault, why) = files.refused().unwrap();
        assert_eq!(fault, Fault::Store(StoreErrorKind::Other));
        assert!(
            why.contains("the store failed") && why.contains("tried again"),
            "{why}"
        );
    }
    files.let_store_keep(true);
    files.watch().await;
    assert!(!files.is_granted().await);
    assert_eq!(files.refused(), None);
}

#[tokio::test]
async fn a_policy_that_could_not_be_kept_is_forgotten_when_its_files_are_taken_back() {
    let files = Files::new().await;
    files.let_store_keep(false);
    files.write("policy.toml", &POLICY.replace("ci/*", "nobody/*"));
    files.watch().await;
    assert!(files.refused().is_some());
    files.write("policy.toml", POLICY);
    files.watch().await;
    assert_eq!(files.refused(), None);
    files.let_store_keep(true);
    files.watch().await;
    assert!(files.is_granted().await);
}

#[tokio::test]
async fn files_that_could_not_be_read_and_are_whole_again_are_no_longer_refused() {
    let files = Files::new().await;
    let link = files.path("policy/x.toml");
    std::os::unix::fs::symlink("nowhere", &link).unwrap();
    files.watch().await;
    assert_eq!(files.refused().unwrap().0, Fault::Files);
    fs::remove_file(link).unwrap();
    files.watch().await;
    assert_eq!(files.refused(), None);
}

#[tokio::test]
async fn whatever_cannot_be_read_is_told_at_once_the_installation_file_too() {
    let files = Files::new().await;
    files.write("x.yaml", "");
    files.write("y.yaml", "");
    fs::remove_file(files.path("installation.toml")).unwrap();
    files.watch().await;
    let (_, why) = files.refused().unwrap();
    assert_eq!(why.lines().count(), 3, "{why}");
    for name in ["x.yaml", "y.yaml", "installation.toml"] {
        assert!(why.contains(name), "{why}");
    }
}

#[tokio::test]
async fn a_file_that_is_emptied_before_it_is_written_anew_never_counts_as_empty() {
    let files = Files::new().await;
    let guardrail = "forbid (principal, action, resource);";
    files.write("never.cedar", guardrail);
    files.watch().await;
    assert!(!files.is_granted().await);
    // What is read of a file between the two steps of rewriting it in place.
    files.write("never.cedar", "");
    files.look().await;
    assert!(!files.is_granted().await);
    files.write("never.cedar", &format!("{guardrail}\n"));
    files.watch().await;
    assert!(!files.is_granted().await);
    files.write("never.cedar", "");
    files.watch().await;
    assert!(
        files.is_granted().await,
        "once it lies still, it is what it says"
    );
}

#[tokio::test]
async fn files_that_change_one_after_the_other_come_into_force_together() {
    let files = Files::new().await;
    let before = files.policy();
    for n in 0..20 {
        files.write(&format!("{n}.toml"), "");
        files.look().await;
        assert_eq!(files.policy(), before);
    }
    files.look().await;
    assert_ne!(files.policy(), before);
}

#[tokio::test]
async fn a_half_that_is_no_policy_is_not_told_as_refused() {
    let files = Files::new().await;
    files.write("policy.toml", "[task.deploy-docs]\nowner = ");
    files.look().await;
    assert_eq!(files.refused(), None);
    files.write("policy.toml", &POLICY.replace("10m", "5m"));
    files.watch().await;
    assert_eq!(files.refused(), None);
    assert!(files.is_granted().await);
}

#[tokio::test]
async fn what_is_asked_for_by_name_is_not_waited_for() {
    let files = Files::new().await;
    let before = files.policy();
    files.write("more.toml", "");
    files.source.reload(&files.bench.operations).await.unwrap();
    assert_ne!(files.policy(), before);
}

#[tokio::test]
async fn a_change_is_looked_at_again_a_short_while_after_it_was_seen() {
    let files = Files::new().await;
    let (second, short) = (Duration::from_secs(1), Duration::from_millis(200));
    assert_eq!(files.look().await, second);
    files.write("more.toml", "");
    assert_eq!(files.look().await, short);
    assert_eq!(files.look().await, second);
    assert_eq!(files.look().await, second);
}

#[tokio::test(start_paused = true)]
async fn whoever_watches_brings_a_change_into_force() {
    let files = Files::new().await;
    let stop = CancellationToken::new();
    let operations = Arc::clone(&files.bench.operations);
    let mut tasks = JoinSet::new();
    tasks.spawn(Arc::clone(&files.source).watch(operations, stop.clone()));
    let before = files.policy();
    files.write("more.toml", "");
    while files.policy() == before {
        sleep(Duration::from_millis(100)).await;
    }
    stop.cancel();
    tasks.join_all().await;
}
