//! A broker whose log is looked at, and the program in another language that looks at it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::support::eventually;
use crate::support::http;
use crate::support::installation::{Installation, POLICY, Plan};
use crate::support::process::BINARY;

const CI: &str = "spiffe://acme.example/prod/ci/docs";

/// A broker that lets one workload open any number of jobs.
pub(super) async fn busy_broker() -> Installation {
    let policy = POLICY.replace(
        "credentials = [\"docs-api\", \"tickets-api\"]",
        "credentials = [\"docs-api\"]\nmax_live_jobs = 1000000",
    );
    let plan = Plan {
        more: "[limits]\ncalls_per_second = 100000\ncall_burst = 100000",
        policy: &policy,
        ..Plan::default()
    };
    Installation::with(plan).await
}

/// Opens so many jobs, two records each.
pub(super) async fn open_jobs(broker: &Installation, count: usize) {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let mut client = broker.client(CI).await;
        tasks.spawn(async move {
            for _ in 0..count / 8 {
                client.open_docs().await;
            }
        });
    }
    tasks.join_all().await;
}

/// The size of the published checkpoint.
pub(super) async fn published(broker: &Installation) -> Option<u64> {
    let (status, note) = http::get(broker.operations, "/audit/checkpoint").await?;
    (status == 200).then_some(())?;
    note.lines().nth(1)?.parse().ok()
}

/// Waits until at least so many records are published.
pub(super) async fn wait_for(broker: &Installation, size: u64) -> u64 {
    eventually("the records are signed", || async {
        published(broker)
            .await
            .filter(|published| *published >= size)
    })
    .await
}

/// Runs `taskpass audit …`.
pub(super) fn audit(broker: &Installation, arguments: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    command
        .arg("audit")
        .args(arguments)
        .env("TASKPASS_ADMIN_SOCKET", broker.path("admin.sock"))
        .stdin(Stdio::null());
    command.output().unwrap()
}

/// What `taskpass audit …` printed; it went well.
pub(super) fn audit_text(broker: &Installation, arguments: &[&str]) -> String {
    let output = audit(broker, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// The report of `audit verify` as JSON, with its exit code.
pub(super) fn verify(arguments: &[&str]) -> (i32, Value) {
    let output = Command::new(BINARY)
        .args(["audit", "verify", "--output", "json"])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let report = serde_json::from_slice(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    let report = report.unwrap_or_else(|_| panic!("{arguments:?}: {said}"));
    (output.status.code().unwrap(), report)
}

/// The program that was written from the documents alone: what it printed, or why it does not believe it.
pub(super) fn stranger(arguments: &[&str], input: &str) -> Result<Value, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/audit/tlog.py");
    let mut child = Command::new(crate::support::python())
        .arg(script)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    if output.status.success() {
        Ok(serde_json::from_slice(&output.stdout).unwrap())
    } else {
        Err(String::from_utf8(output.stderr).unwrap())
    }
}

/// Copies a directory with everything in it.
pub(super) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Every entry of a log, in order.
pub(super) fn entries(log: &Path, size: u64) -> Vec<String> {
    let mut found = Vec::new();
    for index in 0..size.div_ceil(256) {
        let width = (size - index * 256).min(256);
        let bytes = fs::read(bundle(log, index, width)).unwrap();
        let mut rest = &bytes[..];
        while let Some((length, after)) = rest.split_first_chunk() {
            let (entry, after) = after.split_at(usize::from(u16::from_be_bytes(*length)));
            found.push(String::from_utf8(entry.to_vec()).unwrap());
            rest = after;
        }
    }
    found
}

/// The file of a bundle.
pub(super) fn bundle(log: &Path, index: u64, width: u64) -> PathBuf {
    let name = match width {
        256 => format!("tile/entries/{index:03}"),
        width => format!("tile/entries/{index:03}.p/{width}"),
    };
    log.join(name)
}

/// The bytes of a bundle.
pub(super) fn encode(entries: &[String]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        bytes.extend(u16::try_from(entry.len()).unwrap().to_be_bytes());
        bytes.extend(entry.as_bytes());
    }
    bytes
}
