//! Backups while the broker runs, and old copies that are put in place: a new epoch, and everything that was
//! open in the copy has ended.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use taskpass_proto::v1::{self, Cause};

use super::kills::cause_of_end;
use super::ledger::{CI, Ledger, Load, VERIFIER, installation, policy};
use crate::broker::liveness::Stream;
use crate::support::client::token;
use crate::support::installation::{Installation, Plan};
use crate::support::local::{Local, request};
use crate::support::operator::Operator;
use crate::support::process::BINARY;
use crate::support::{eventually, http};

fn store(broker: &Installation, arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.arg("store").args(arguments).stdin(Stdio::null());
    command.arg("--admin-socket").arg(broker.path("admin.sock"));
    command
}

fn run(broker: &Installation, arguments: &[&str]) -> Output {
    store(broker, arguments).output().unwrap()
}

async fn back_up(broker: &Installation, to: &Path) -> Output {
    let mut command = store(broker, &["backup", to.to_str().unwrap()]);
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

fn check(broker: &Installation, file: &Path) -> Value {
    let output = run(
        broker,
        &["check", file.to_str().unwrap(), "--output", "json"],
    );
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_is_sound_recorded_and_overwrites_nothing() {
    let policy = policy();
    let broker = installation(&policy).await;
    let mut ledger = Ledger::default();
    let load = Load::start(&broker).await;
    load.reach(200).await;
    let backup = broker.path("backup.db");
    let made = back_up(&broker, &backup).await;
    assert!(made.status.success(), "{made:?}");
    load.stop(&mut ledger).await;
    let mode = fs::metadata(&backup).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let report = check(&broker, &backup);
    assert_eq!(report["damage"], json!([]));
    assert!(report["counts"]["audit records"].as_u64().unwrap() > 100);
    assert_eq!(
        check(&broker, &broker.path("taskpass.db"))["damage"],
        json!([])
    );
    let again = back_up(&broker, &backup).await;
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("nothing is overwritten"));
    let mut operator = Operator::connect(&broker).await;
    assert_eq!(operator.events("store.backed_up").await.len(), 1);
    ledger.compare(&broker).await;
}

/// A job in the backup, one closed after it, one opened after it; the broker is stopped.
struct Gap {
    broker: Installation,
    in_backup: v1::OpenJobResponse,
    closed_since: v1::OpenJobResponse,
    opened_since: v1::OpenJobResponse,
    epoch: Value,
}

async fn gap() -> Gap {
    let mut broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let in_backup = client.open_docs().await;
    let closed_since = client.open_docs().await;
    let made = back_up(&broker, &broker.path("backup.db")).await;
    assert!(made.status.success(), "{made:?}");
    client.close(&closed_since.job_id).await.unwrap();
    let opened_since = client.open_docs().await;
    let epoch = check(&broker, &broker.path("backup.db"))["epoch"].clone();
    drop(client);
    broker.broker.stop();
    Gap {
        broker,
        in_backup,
        closed_since,
        opened_since,
        epoch,
    }
}

impl Gap {
    /// Everything of the time before is dead, it is said, and what is new works.
    async fn proves_to_be_over(mut self) {
        self.broker.restart().await;
        let broker = &self.broker;
        let mut verifier = broker.client(VERIFIER).await;
        for old in [&self.in_backup, &self.closed_since, &self.opened_since] {
            let answer = verifier.introspect(token(&old.credentials[0])).await;
            assert!(!answer.active, "a token of before is alive");
        }
        for job in [&self.in_backup.job_id, &self.closed_since.job_id] {
            cause_of_end(broker, job, Cause::StoreRestored).await;
        }
        let mut operator = Operator::connect(broker).await;
        assert_eq!(operator.events("store.restored").await.len(), 1);
        let (status, body) = http::get(broker.operations, "/readyz").await.unwrap();
        assert_eq!(status, 200);
        assert!(body.contains("a new epoch began"), "{body}");
        assert!(broker.broker.log().contains("a new epoch began"));
        let mut client = broker.client(CI).await;
        let fresh = client.open_docs().await;
        assert!(
            verifier
                .introspect(token(&fresh.credentials[0]))
                .await
                .active
        );
        let epoch = &check(broker, &broker.path("taskpass.db"))["epoch"];
        assert_ne!(*epoch, self.epoch);

        // The next start is an ordinary one.
        drop((client, verifier, operator));
        self.broker.broker.stop();
        self.broker.restart().await;
        let mut operator = Operator::connect(&self.broker).await;
        assert_eq!(operator.events("store.restored").await.len(), 1);
        let mut verifier = self.broker.client(VERIFIER).await;
        assert!(
            verifier
                .introspect(token(&fresh.credentials[0]))
                .await
                .active
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_backup_begins_a_new_epoch_and_everything_of_before_is_dead() {
    let gap = gap().await;
    let into = gap.broker.path("taskpass.db");
    let backup = gap.broker.path("backup.db");
    let words = [backup.to_str().unwrap(), "--into", into.to_str().unwrap()];
    let output = run(&gap.broker, &["restore", words[0], words[1], words[2]]);
    assert!(output.status.success(), "{output:?}");
    gap.proves_to_be_over().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_was_copied_in_place_by_hand_is_noticed() {
    let gap = gap().await;
    fs::copy(gap.broker.path("backup.db"), gap.broker.path("taskpass.db")).unwrap();
    gap.proves_to_be_over().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_copy_of_the_file_that_was_put_in_place_is_noticed() {
    let mut gap = gap().await;
    // The file of a moment when the broker was stopped, which says nothing of itself.
    let old = fs::read(gap.broker.path("taskpass.db")).unwrap();
    gap.broker.restart().await;
    let mut client = gap.broker.client(CI).await;
    let since = client.open_docs().await;
    drop(client);
    gap.broker.broker.stop();
    fs::write(gap.broker.path("taskpass.db"), old).unwrap();
    gap.broker.restart().await;
    let mut verifier = gap.broker.client(VERIFIER).await;
    for old in [&gap.in_backup, &gap.opened_since, &since] {
        assert!(!verifier.introspect(token(&old.credentials[0])).await.active);
    }
    cause_of_end(&gap.broker, &gap.in_backup.job_id, Cause::StoreRestored).await;
    assert!(gap.broker.broker.log().contains("an old copy"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_while_a_backup_is_made_or_taken_up_can_be_repeated() {
    let gap = gap().await;
    let mut broker = gap.broker;
    let (backup, into) = (broker.path("backup.db"), broker.path("taskpass.db"));
    let restore = [
        "restore",
        backup.to_str().unwrap(),
        "--into",
        into.to_str().unwrap(),
    ];
    let killed = store(&broker, &restore)
        .env("TASKPASS_CRASH_AT", "restore.half:1")
        .output()
        .unwrap();
    assert!(killed.status.code().is_none(), "{killed:?}");
    // The store of before is aside and the backup is not there yet: no broker begins a new one.
    let log = broker.path("refused.log");
    let config = broker.path("broker.toml");
    let words = ["broker", "--config", config.to_str().unwrap()];
    let mut refused = crate::support::process::Process::start(&words, &log);
    assert_eq!(refused.wait().code(), Some(1));
    assert!(
        refused.log().contains("taskpass store restore"),
        "{}",
        refused.log()
    );
    let again = run(&broker, &restore);
    assert!(again.status.success(), "{again:?}");

    for point in ["restored.half:1", "epoch.half:1"] {
        broker.restart_to_die_at(point);
        broker.wait_until_dead(point).await;
    }
    broker.restart_to_die_at("backup.half:1");
    broker.wait_until_ready().await;
    cause_of_end(&broker, &gap.in_backup.job_id, Cause::StoreRestored).await;
    let next = broker.path("next.db");
    let cut_off = back_up(&broker, &next).await;
    assert_eq!(cut_off.status.code(), Some(1));
    assert!(!next.exists(), "half a backup has no name");
    broker.restart().await;
    assert!(back_up(&broker, &next).await.status.success());
    let mut operator = Operator::connect(&broker).await;
    assert_eq!(operator.events("store.restored").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn holders_are_told_and_open_again() {
    let mut broker = Installation::with(Plan {
        limit: 30,
        ..Plan::default()
    })
    .await;
    let _agent = broker.agent("agent", CI).await;
    let mut local = Local::connect(&broker.path("agent.sock")).await;
    let (in_backup, _) = local.open(json!({ "type": "connection" })).await;
    let backup = broker.path("backup.db");
    assert!(back_up(&broker, &backup).await.status.success());
    let (since, _) = local.open(json!({ "type": "connection" })).await;
    broker.broker.kill();
    let into = broker.path("taskpass.db");
    let words = [
        "restore",
        backup.to_str().unwrap(),
        "--into",
        into.to_str().unwrap(),
    ];
    assert!(run(&broker, &words).status.success());
    broker.restart().await;
    for job in [&in_backup, &since] {
        eventually("the agent knows that the job is gone", || {
            let (socket, path) = (broker.path("agent.sock"), format!("/v1/jobs/{job}"));
            async move {
                let (status, answer) = Local::connect(&socket).await.get(&path).await;
                (status != 200 || answer["state"] != "open").then_some(())
            }
        })
        .await;
    }
    eventually("jobs are opened again", || {
        let socket = broker.path("agent.sock");
        async move {
            let mut local = Local::connect(&socket).await;
            let asked = request(json!({ "type": "ttl" }));
            let (status, _) = local.call("POST", "/v1/jobs", &asked).await;
            (status == 201).then_some(())
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_direct_holder_is_told_the_cause() {
    let mut broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let mut asked = client.request("deploy-docs");
    asked.liveness = v1::Liveness::Heartbeat.into();
    let job = client.open(asked).await.unwrap().job_id;
    let backup = broker.path("backup.db");
    assert!(back_up(&broker, &backup).await.status.success());
    broker.broker.kill();
    let into = broker.path("taskpass.db");
    let words = [
        "restore",
        backup.to_str().unwrap(),
        "--into",
        into.to_str().unwrap(),
    ];
    assert!(run(&broker, &words).status.success());
    broker.restart().await;
    let mut again = broker.client(CI).await;
    again.holder.clone_from(&client.holder);
    let (_, welcome) = Stream::open(&mut again, vec![job.clone()]).await.unwrap();
    assert_eq!(welcome.gone.len(), 1);
    assert_eq!(welcome.gone[0].cause(), Cause::StoreRestored);
}
