//! The disk is full, slow, failing, or read-only: nothing is issued that is not recorded, no end is lost, the
//! reason is told, and the broker recovers by itself.

use std::fs;
use std::path::Path;
use std::process::Command;

use taskpass_proto::v1::EndProgress;

use super::ledger::{CI, Ledger, Load, VERIFIER, installation, policy};
use crate::support::client::{Client, token};
use crate::support::fault::Fault;
use crate::support::installation::Installation;
use crate::support::process::{BINARY, Process};
use crate::support::{eventually, http, skipped};

/// What a fault makes of calls on the log of the store, and the kind of trouble that operators see.
const FAULTS: [(&str, &str); 4] = [
    ("fdatasync,fsync:error=EIO", "io"),
    ("pwrite64:error=EIO", "io"),
    ("pwrite64:error=ENOSPC", "full"),
    ("pwrite64:error=EROFS", "io"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_disk_issues_nothing_ends_all_the_same_and_recovers_by_itself() {
    let policy = policy();
    let mut broker = installation(&policy).await;
    let mut ledger = Ledger::default();
    for (call, kind) in FAULTS {
        let load = Load::start(&broker).await;
        load.reach(10).await;
        let mut client = broker.client(CI).await;
        let open = client.open_docs().await;
        let fault = Fault::inject(broker.broker.pid(), &broker.path("taskpass.db-wal"), call);
        refuses_to_issue(&mut client).await;
        ends_all_the_same(&broker, &mut client, &open).await;
        says_why(&broker, kind).await;
        assert!(broker.broker.log().contains("the store failed"));
        drop(fault);
        recovers(&broker, &client, &open.job_id).await;
        load.stop(&mut ledger).await;
        // What a failed write has left in the log never comes back.
        broker.broker.kill();
        broker.restart().await;
        ledger.compare(&broker).await;
    }
    assert!(
        broker
            .broker
            .log()
            .contains("begun anew after a failed write")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_disk_keeps_nobodys_token_alive() {
    let policy = policy();
    let broker = installation(&policy).await;
    let mut client = broker.client(CI).await;
    let open = client.open_docs().await;
    let slow = "fdatasync,fsync:delay_enter=3000000";
    let fault = Fault::inject(broker.broker.pid(), &broker.path("taskpass.db-wal"), slow);
    ends_all_the_same(&broker, &mut client, &open).await;
    drop(fault);
    recovers(&broker, &client, &open.job_id).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_of_the_files_size_is_an_error_and_not_the_end_of_the_broker() {
    let policy = policy();
    let mut broker = installation(&policy).await;
    let mut ledger = Ledger::default();
    let mut client = broker.client(CI).await;
    let open = client.open_docs().await;
    let pid = broker.broker.pid().to_string();
    let limit = |bytes: &str| {
        let status = Command::new("prlimit")
            .args(["--pid", &pid, &format!("--fsize={bytes}:")])
            .status()
            .expect("this test needs prlimit of util-linux");
        assert!(status.success());
    };
    // Less than the file and its log have already.
    limit("16384");
    let load = Load::start(&broker).await;
    refuses_to_issue(&mut client).await;
    ends_all_the_same(&broker, &mut client, &open).await;
    says_why(&broker, "io").await;
    broker.broker.must_run();
    limit("unlimited");
    recovers(&broker, &client, &open.job_id).await;
    load.stop(&mut ledger).await;
    ledger.compare(&broker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_file_system_is_survived() {
    if !can_mount() {
        skipped(
            "a full file system",
            "this user may not mount one of its own",
        );
        return;
    }
    let policy = policy();
    let mut broker = installation(&policy).await;
    broker.broker.stop();
    fs::create_dir(broker.path("small")).unwrap();
    in_small(&broker);
    let mount = "mount -t tmpfs -o size=3m,mode=700 tmpfs \"$1\" && shift && exec \"$@\"";
    broker.broker = in_own_mounts(&broker, mount, "small");
    broker.wait_until_ready().await;

    let mut ledger = Ledger::default();
    let mut client = broker.client(CI).await;
    let open = client.open_docs().await;
    let load = Load::start(&broker).await;
    eventually("the file system is full", || async {
        match http::get(broker.operations, "/readyz").await {
            Some((503, body)) if body.contains("full") => Some(()),
            _ => None,
        }
    })
    .await;
    broker.broker.must_run();
    let closed = client.close(&open.job_id).await.unwrap();
    let mut verifier = broker.client(VERIFIER).await;
    let answer = verifier.introspect(token(&open.credentials[0])).await;
    assert!(!answer.active, "{:?}", closed.progress());
    let pid = broker.broker.pid().to_string();
    let grown = Command::new("nsenter")
        .args(["-t", &pid, "-m", "mount", "-o", "remount,size=200m"])
        .arg(broker.path("small"))
        .status();
    assert!(grown.unwrap().success());
    recovers(&broker, &client, &open.job_id).await;
    load.stop(&mut ledger).await;
    ledger.compare(&broker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_file_system_is_named_and_not_started_on() {
    if !can_mount() {
        skipped(
            "a read-only file system",
            "this user may not mount one of its own",
        );
        return;
    }
    let mut broker = Installation::start().await;
    broker.broker.stop();
    fs::create_dir(broker.path("small")).unwrap();
    for name in ["taskpass.db", "taskpass.db.mark", "audit.key", "audit-log"] {
        fs::rename(broker.path(name), broker.path("small").join(name)).unwrap();
    }
    in_small(&broker);
    let mount =
        "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\" && shift && exec \"$@\"";
    let mut process = in_own_mounts(&broker, mount, "small");
    assert_eq!(process.wait().code(), Some(1));
    let log = process.log();
    assert!(log.contains("small/taskpass.db"), "{log}");
    assert!(log.contains("must be able to write"), "{log}");
    broker.restart().await;
}

async fn refuses_to_issue(client: &mut Client) {
    let asked = client.request("deploy-docs");
    eventually("nothing is issued", || {
        let (mut client, mut asked) = (client.clone(), asked.clone());
        asked.job_id = crate::support::client::new_job_id().to_string();
        async move {
            let refused = client.open(asked).await.err()?;
            (refused.reason == "STORE_UNAVAILABLE").then_some(())
        }
    })
    .await;
}

/// A close is answered `pending` and in effect, or was recorded after all.
async fn ends_all_the_same(
    broker: &Installation,
    client: &mut Client,
    open: &taskpass_proto::v1::OpenJobResponse,
) {
    let closed = client.close(&open.job_id).await.unwrap();
    assert_eq!(closed.progress(), EndProgress::Pending);
    let mut verifier = broker.client(VERIFIER).await;
    let answer = verifier.introspect(token(&open.credentials[0])).await;
    assert!(!answer.active, "pending means in effect");
}

async fn says_why(broker: &Installation, kind: &str) {
    let (status, body) = http::get(broker.operations, "/readyz").await.unwrap();
    assert_eq!(status, 503, "{body}");
    assert!(
        body.contains(&format!("the store failed ({kind})")),
        "{body}"
    );
    let (_, metrics) = http::get(broker.operations, "/metrics").await.unwrap();
    let counted = format!("taskpass_store_errors_total{{kind=\"{kind}\"}}");
    let count = http::metric(&metrics, &counted).unwrap();
    assert!(count > 0.0, "{metrics}");
    assert!(metrics.contains("taskpass_store_works 0"), "{metrics}");
}

async fn recovers(broker: &Installation, client: &Client, job: &str) {
    eventually("the broker is ready again", || async {
        http::get(broker.operations, "/readyz")
            .await
            .filter(|(status, _)| *status == 200)
    })
    .await;
    eventually("the end is confirmed", || {
        let (mut client, job) = (client.clone(), job.to_owned());
        async move {
            let closed = client.close(&job).await.unwrap();
            (closed.progress() == EndProgress::Confirmed).then_some(())
        }
    })
    .await;
    client.clone().open_docs().await;
}

/// Has the store lie in a directory of its own.
fn in_small(broker: &Installation) {
    let toml = fs::read_to_string(broker.path("broker.toml")).unwrap();
    let toml = toml.replace("\"taskpass.db\"", "\"small/taskpass.db\"");
    fs::write(broker.path("broker.toml"), toml).unwrap();
}

/// Starts the broker with mounts that nobody else sees; the script gets the directory and then the command.
fn in_own_mounts(broker: &Installation, script: &str, directory: &str) -> Process {
    let mut command = Command::new("unshare");
    command.args([
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        script,
        "sh",
    ]);
    command.arg(broker.path(directory));
    command.args([BINARY, "broker", "--config"]);
    command.arg(broker.path("broker.toml"));
    Process::start_command(&mut command, &broker.path("broker.log"))
}

fn can_mount() -> bool {
    let script = "mount -t tmpfs tmpfs /mnt";
    let tried = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", script])
        .output();
    tried.is_ok_and(|tried| tried.status.success()) && Path::new("/mnt").is_dir()
}
