//! A new agent takes over while jobs run: no job ends, no credential lapses, no caller fails.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use taskpass_proto::v1;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::support::client::Client;
use crate::support::eventually;
use crate::support::installation::{Installation, POLICY, Plan};
use crate::support::local::{Local, request};
use crate::support::operator::Operator;
use crate::support::process::{BINARY, Process};

const CI: &str = "spiffe://acme.example/prod/ci/docs";
const VERIFIER: &str = "spiffe://acme.example/prod/docs-api";

/// A broker whose credentials live so short that every upgrade meets renewals.
async fn installation() -> Installation {
    let policy = POLICY.replace("ttl = \"5m\"", "ttl = \"3s\"");
    let plan = Plan {
        policy: &policy,
        limit: 10,
        ..Plan::default()
    };
    Installation::with(plan).await
}

/// Starts the next agent in the place of this one, and waits until that has gone.
fn upgrade(broker: &Installation, agent: &mut Process) {
    let config = broker.path("agent.toml");
    let line = ["agent", "--config", config.to_str().unwrap(), "--take-over"];
    let next = Process::start(&line, &broker.path("agent.log"));
    let mut old = std::mem::replace(agent, next);
    let status = old.wait();
    assert!(status.success(), "{status}: {}", old.log());
}

fn sleeper() -> Child {
    Command::new("sleep")
        .arg("600")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn end(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

async fn is_open(operator: &Operator, job: &str) -> bool {
    let mut operator = Operator(operator.0.clone());
    operator.job(job).await.job.unwrap().state() == v1::JobState::Open
}

async fn ends_with(operator: &Operator, job: &str, cause: v1::Cause) {
    eventually("the job ends", || {
        let (mut operator, job) = (Operator(operator.0.clone()), job.to_owned());
        async move { (operator.job(&job).await.job.unwrap().cause() == cause).then_some(()) }
    })
    .await;
}

/// The token that a job has now.
fn token(job: &Value) -> &str {
    let token = job["credentials"][0]["token"].as_str();
    token.unwrap_or_else(|| panic!("the job has no token: {job}"))
}

/// Opens and closes jobs, each on a connection of its own, until told to stop; any failure is a panic.
async fn opens_and_closes(socket: PathBuf, stop: CancellationToken, done: Arc<AtomicUsize>) {
    while !stop.is_cancelled() {
        let mut local = Local::connect(&socket).await;
        let (job, _) = local.open(json!({ "type": "ttl" })).await;
        let (status, closed) = local
            .call("DELETE", &format!("/v1/jobs/{job}"), &Value::Null)
            .await;
        assert_eq!(status, 200, "{closed}");
        done.fetch_add(1, Ordering::SeqCst);
    }
}

/// Reads a job's token on one connection, again and again: it is always there, and always accepted.
async fn reads(
    mut local: Local,
    job: String,
    mut verifier: Client,
    stop: CancellationToken,
) -> Local {
    while !stop.is_cancelled() {
        let (status, shown) = local.get(&format!("/v1/jobs/{job}")).await;
        assert_eq!(status, 200, "{shown}");
        assert!(verifier.introspect(token(&shown)).await.active, "{shown}");
    }
    local
}

#[tokio::test]
async fn several_upgrades_under_load_end_no_job_and_fail_no_call() {
    let broker = installation().await;
    let mut agent = broker.agent("agent", CI).await;
    let socket = broker.path("agent.sock");
    let verifier = broker.client(VERIFIER).await;
    let operator = Operator::connect(&broker).await;

    let mut local = Local::connect(&socket).await;
    let (by_time, _) = local.open(json!({ "type": "ttl" })).await;
    let child = sleeper();
    let (by_process, _) = local
        .open(json!({ "type": "process", "pid": child.id() }))
        .await;
    let mut tied = Local::connect(&socket).await;
    let (by_connection, _) = tied.open(json!({ "type": "connection" })).await;
    let mut silent = Local::connect(&socket).await;
    let supervised = broker.folder.path().join("supervised");
    let mut run = supervisor(&broker, &supervised);
    eventually("the command runs", || {
        let runs = supervised.join("job").exists();
        async move { runs.then_some(()) }
    })
    .await;

    let (stop, done) = (CancellationToken::new(), Arc::<AtomicUsize>::default());
    let mut load = JoinSet::new();
    for _ in 0..3 {
        load.spawn(opens_and_closes(
            socket.clone(),
            stop.clone(),
            Arc::clone(&done),
        ));
    }
    let mut readers = JoinSet::new();
    readers.spawn(reads(
        local,
        by_process.clone(),
        verifier.clone(),
        stop.clone(),
    ));
    readers.spawn(reads(
        tied,
        by_connection.clone(),
        verifier.clone(),
        stop.clone(),
    ));

    for _ in 0..3 {
        let before = done.load(Ordering::SeqCst);
        upgrade(&broker, &mut agent);
        eventually("the load goes on", || {
            let more = done.load(Ordering::SeqCst) > before + 10;
            async move { more.then_some(()) }
        })
        .await;
    }
    // Each of them was renewed by an agent that did not open it.
    for job in [&by_time, &by_process, &by_connection] {
        eventually("it is renewed again and again", || {
            let (socket, job) = (socket.clone(), job.clone());
            async move {
                let (_, shown) = Local::connect(&socket)
                    .await
                    .get(&format!("/v1/jobs/{job}"))
                    .await;
                (shown["credentials"][0]["generation"].as_u64() > Some(2)).then_some(())
            }
        })
        .await;
    }
    stop.cancel();
    while let Some(failed) = load.join_next().await {
        failed.unwrap();
    }
    let connections = readers.join_all().await;
    assert_eq!(
        silent.get("/v1/status").await.0,
        200,
        "one that never asked anything before"
    );

    let supervised_job = std::fs::read_to_string(supervised.join("job")).unwrap();
    for job in [&by_time, &by_process, &by_connection, &supervised_job] {
        assert!(is_open(&operator, job).await, "{job}");
    }
    // And they end as they should, through the last of the agents.
    drop(connections);
    ends_with(&operator, &by_connection, v1::Cause::JobClosed).await;
    end(child);
    ends_with(&operator, &by_process, v1::Cause::ProcessExited).await;
    std::fs::write(supervised.join("stop"), "").unwrap();
    assert_eq!(run.wait().code(), Some(3), "{}", run.log());
    ends_with(&operator, &supervised_job, v1::Cause::ProcessExited).await;
    assert!(is_open(&operator, &by_time).await);
    agent.stop();
    ends_with(&operator, &by_time, v1::Cause::JobClosed).await;
}

/// `taskpass run` with a command that notes its job and waits to be stopped.
fn supervisor(broker: &Installation, folder: &Path) -> Process {
    std::fs::create_dir(folder).unwrap();
    let at = folder.display();
    let script = format!(
        "printf %s \"$TASKPASS_JOB_ID\" > {at}/new && mv {at}/new {at}/job
         while [ ! -e {at}/stop ]; do test -s \"$TASKPASS_CREDENTIALS_DIR/docs-api\" || exit 9; sleep 0.05; done
         exit 3"
    );
    let mut command = Command::new(BINARY);
    command.args([
        "run",
        "--task",
        "deploy-docs",
        "--param",
        "ref=refs/heads/main",
    ]);
    command.args(["--credential", "docs-api", "--", "sh", "-c", &script]);
    command.env("TASKPASS_AGENT_SOCKET", broker.path("agent.sock"));
    Process::start_command(&mut command, &folder.join("log"))
}

/// An agent whose program is a file of its own, so that another one can be put in its place.
async fn replaceable(broker: &Installation) -> Process {
    let mut first = broker.agent("agent", CI).await;
    first.stop();
    let program = broker.path("taskpass");
    std::os::unix::fs::symlink(BINARY, &program).unwrap();
    let mut command = Command::new(&program);
    command
        .args(["agent", "--config"])
        .arg(broker.path("agent.toml"));
    let mut agent = Process::start_command(&mut command, &broker.path("agent.log"));
    eventually("the agent's socket is there", || {
        agent.must_run();
        let up = UnixStream::connect(broker.path("agent.sock")).is_ok();
        async move { up.then_some(()) }
    })
    .await;
    agent
}

/// Puts another program in the place of the agent's.
fn put(broker: &Installation, script: &str) {
    use std::os::unix::fs::PermissionsExt;
    let beside = broker.path("taskpass.new");
    std::fs::write(&beside, script).unwrap();
    std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::rename(&beside, broker.path("taskpass")).unwrap();
}

fn ask_for_upgrade(broker: &Installation) -> (Option<i32>, Value, String) {
    let output = Command::new(BINARY)
        .args(["agent", "upgrade", "--output", "json", "--config"])
        .arg(broker.path("agent.toml"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let told = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    let complaint = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), told, complaint)
}

/// A process that no test started is ended with its test all the same.
struct Adopted(i32);

impl Drop for Adopted {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_raw(self.0).unwrap(), Signal::KILL);
    }
}

#[tokio::test]
async fn a_program_that_cannot_take_over_leaves_everything_as_it_was_and_a_good_one_does() {
    let broker = installation().await;
    let mut agent = replaceable(&broker).await;
    let mut local = Local::connect(&broker.path("agent.sock")).await;
    let (job, _) = local.open(json!({ "type": "connection" })).await;
    // The last one asks for everything, and dies before it says its word.
    let state = broker.path("agent.state");
    let dies = format!(
        "#!/usr/bin/env python3\nimport socket, sys\ns = socket.socket(socket.AF_UNIX)\ns.connect('{}/hand-over.sock')\n\
         q = b'{{\"take_over\":{{\"version\":\"9\"}}}}'\ns.sendall(len(q).to_bytes(4, 'big') + q)\ns.recv(100)\nsys.exit(4)\n",
        state.display()
    );
    for script in ["#!/bin/sh\nexit 3\n", "not a program\n", &dies] {
        put(&broker, script);
        let (code, _, complaint) = ask_for_upgrade(&broker);
        assert_eq!(code, Some(1), "{complaint}");
        assert!(
            complaint.contains("was not upgraded") && complaint.contains("goes on"),
            "{complaint}"
        );
        agent.must_run();
        let (status, shown) = local.get(&format!("/v1/jobs/{job}")).await;
        assert_eq!(
            (status, shown["state"].as_str()),
            (200, Some("open")),
            "{script}"
        );
        let more = local
            .call("POST", "/v1/jobs", &request(json!({ "type": "ttl" })))
            .await;
        assert_eq!(more.0, 201, "{}", more.1);
    }

    std::fs::remove_file(broker.path("taskpass")).unwrap();
    std::os::unix::fs::symlink(BINARY, broker.path("taskpass")).unwrap();
    let (code, told, complaint) = ask_for_upgrade(&broker);
    assert_eq!(code, Some(0), "{complaint}");
    let next = Adopted(told["pid"].as_i64().unwrap().try_into().unwrap());
    assert_eq!(told["from_pid"], agent.pid());
    assert!(agent.wait().success());
    let (status, shown) = local.get(&format!("/v1/jobs/{job}")).await;
    assert_eq!((status, shown["state"].as_str()), (200, Some("open")));
    // It can do the same again.
    let (code, told, complaint) = ask_for_upgrade(&broker);
    assert_eq!(code, Some(0), "{complaint}");
    let _third = Adopted(told["pid"].as_i64().unwrap().try_into().unwrap());
    assert_eq!(told["from_pid"], next.0);
    assert_eq!(local.get("/v1/status").await.1["jobs"], 4);
}

/// Asks for everything and reads so much of it, then is gone.
fn take_and_die(state: &Path, bytes: usize, word: &[u8]) {
    let mut stream = UnixStream::connect(state.join("hand-over.sock")).unwrap();
    let question = br#"{"take_over":{"version":"9.9.9"}}"#;
    let length = u32::try_from(question.len()).unwrap();
    stream.write_all(&length.to_be_bytes()).unwrap();
    stream.write_all(question).unwrap();
    let mut read = vec![0; bytes];
    stream.read_exact(&mut read).unwrap();
    if !word.is_empty() {
        // The package whole, with a byte for each set of descriptors.
        let mut length = [0; 4];
        stream.read_exact(&mut length).unwrap();
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap();
        let mut package = vec![0; length];
        stream.read_exact(&mut package).unwrap();
        let package: Value = serde_json::from_slice(&package).unwrap();
        let connections = package["package"]["connections"].as_array().unwrap().len();
        // A read ends where descriptors ride along: byte by byte.
        for _ in 0..2 + connections {
            stream.read_exact(&mut [0]).unwrap();
        }
        stream.write_all(word).unwrap();
    }
}

#[tokio::test]
async fn a_successor_that_dies_at_any_point_before_its_word_has_taken_nothing() {
    let broker = installation().await;
    let mut agent = broker.agent("agent", CI).await;
    let mut local = Local::connect(&broker.path("agent.sock")).await;
    let (job, _) = local.open(json!({ "type": "connection" })).await;
    let state = broker.path("agent.state");
    for (bytes, word) in [
        (0, &b""[..]),
        (1, b""),
        (4, b""),
        (200, b""),
        (0, b"x"),
        (0, b"N"),
    ] {
        take_and_die(&state, bytes, word);
        let (status, shown) = local.get(&format!("/v1/jobs/{job}")).await;
        assert_eq!(
            (status, shown["state"].as_str()),
            (200, Some("open")),
            "{bytes} {word:?}"
        );
        agent.must_run();
    }
    let (_, opened) = local
        .call("POST", "/v1/jobs", &request(json!({ "type": "ttl" })))
        .await;
    assert_eq!(opened["state"], "open", "{opened}");
    upgrade(&broker, &mut agent);
    assert_eq!(local.get("/v1/status").await.1["jobs"], 2);
}

#[tokio::test]
async fn an_agent_that_is_killed_right_after_an_upgrade_is_taken_up_from_its_journal() {
    let broker = installation().await;
    let mut agent = broker.agent("agent", CI).await;
    let mut local = Local::connect(&broker.path("agent.sock")).await;
    let child = sleeper();
    let (kept, _) = local
        .open(json!({ "type": "process", "pid": child.id() }))
        .await;
    let (lost, _) = local.open(json!({ "type": "ttl" })).await;
    upgrade(&broker, &mut agent);
    agent.kill();
    drop(local);
    let _agent = broker.start_agent("agent").await;
    let operator = Operator::connect(&broker).await;
    ends_with(&operator, &lost, v1::Cause::JobClosed).await;
    let socket = broker.path("agent.sock");
    eventually("the job has a token again", || {
        let (socket, path) = (socket.clone(), format!("/v1/jobs/{kept}"));
        async move {
            let (_, shown) = Local::connect(&socket).await.get(&path).await;
            shown["credentials"][0]["token"].as_str().map(drop)
        }
    })
    .await;
    assert!(is_open(&operator, &kept).await);
    end(child);
    ends_with(&operator, &kept, v1::Cause::ProcessExited).await;
}

#[tokio::test]
async fn while_the_broker_is_away_an_upgrade_loses_neither_tokens_nor_ends() {
    let mut broker = Installation::with(Plan {
        limit: 60,
        ..Plan::default()
    })
    .await;
    let mut agent = broker.agent("agent", CI).await;
    let mut local = Local::connect(&broker.path("agent.sock")).await;
    let (kept, before) = local.open(json!({ "type": "ttl" })).await;
    let (closed, _) = local.open(json!({ "type": "ttl" })).await;
    broker.broker.kill();
    let path = format!("/v1/jobs/{closed}?wait_seconds=0");
    assert_eq!(
        local.call("DELETE", &path, &Value::Null).await.1["state"],
        "pending"
    );
    upgrade(&broker, &mut agent);
    let (_, shown) = local.get(&format!("/v1/jobs/{kept}")).await;
    assert_eq!(
        token(&shown),
        before,
        "nothing has to be asked for to have it"
    );
    broker.restart().await;
    let operator = Operator::connect(&broker).await;
    ends_with(&operator, &closed, v1::Cause::JobClosed).await;
    assert!(is_open(&operator, &kept).await);
}

#[tokio::test]
async fn a_socket_that_moves_is_no_upgrade() {
    let broker = installation().await;
    let mut agent = broker.agent("agent", CI).await;
    let config = std::fs::read_to_string(broker.path("agent.toml")).unwrap();
    let moved = config.replace("agent.sock", "elsewhere.sock");
    std::fs::write(broker.path("moved.toml"), moved).unwrap();
    let config = broker.path("moved.toml");
    let line = ["agent", "--config", config.to_str().unwrap(), "--take-over"];
    let mut next = Process::start(&line, &broker.path("moved.log"));
    assert_eq!(next.wait().code(), Some(1));
    assert!(
        next.log().contains("moves with a restart"),
        "{}",
        next.log()
    );
    let mut local = Local::connect(&broker.path("agent.sock")).await;
    local.open(json!({ "type": "ttl" })).await;
    agent.must_run();
}

#[tokio::test]
async fn where_no_agent_runs_there_is_nothing_to_upgrade_and_taking_over_is_a_start() {
    let broker = installation().await;
    broker.agent("agent", CI).await.stop();
    let (code, _, complaint) = ask_for_upgrade(&broker);
    assert_eq!(code, Some(1), "{complaint}");
    assert!(complaint.contains("no agent runs"), "{complaint}");
    let config = broker.path("agent.toml");
    let line = ["agent", "--config", config.to_str().unwrap(), "--take-over"];
    let mut agent = Process::start(&line, &broker.path("agent.log"));
    eventually("it serves", || {
        agent.must_run();
        let up = UnixStream::connect(broker.path("agent.sock")).is_ok();
        async move { up.then_some(()) }
    })
    .await;
}
