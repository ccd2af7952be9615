//! `run` and an agent or a broker that is away.

use std::io::{BufRead, BufReader, Read};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::fake_agent::{FakeAgent, socket_in};
use super::{stderr, stdout, taskpass};

#[test]
fn a_missing_agent_is_told_at_once_with_what_to_try() {
    let line = [
        "run",
        "--task",
        "t",
        "--agent-socket",
        "/no/such/agent.sock",
        "--",
        "true",
    ];
    let output = taskpass(&line).output().unwrap();
    assert_eq!(output.status.code(), Some(125));
    insta::assert_snapshot!(stderr(&output), @r"
    error: cannot reach the agent at `/no/such/agent.sock`
      why: there is no such socket
      try: start it with `taskpass agent`, or name its socket with --agent-socket or TASKPASS_AGENT_SOCKET; `--wait-broker 30s` waits for it
    ");
}

#[test]
fn a_socket_that_nobody_listens_on_is_told_apart_from_a_missing_one() {
    let home = TempDir::new().unwrap();
    drop(std::os::unix::net::UnixListener::bind(socket_in(home.path())).unwrap());
    let mut command = taskpass(&["token", "--task", "t"]);
    command.env("TASKPASS_AGENT_SOCKET", socket_in(home.path()));
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("nobody listens on it"),
        "{output:?}"
    );
}

#[test]
fn it_waits_for_an_agent_that_comes_later() {
    let home = TempDir::new().unwrap();
    let line = [
        "run",
        "--task",
        "t",
        "--wait-broker",
        "60s",
        "--",
        "echo",
        "started",
    ];
    let mut command = taskpass(&line);
    command.env("TASKPASS_AGENT_SOCKET", socket_in(home.path()));
    let mut child = command.spawn().unwrap();
    let mut progress = String::new();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    lines.read_line(&mut progress).unwrap();
    assert!(
        progress.contains("there is no such socket; trying again for"),
        "{progress}"
    );
    let _agent = FakeAgent::start_in(home);
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), stdout(&output)),
        (Some(0), "started\n")
    );
}

#[test]
fn it_waits_for_a_broker_that_comes_later() {
    let agent = FakeAgent::start();
    agent.refuse(
        503,
        "BROKER_UNREACHABLE",
        "no connection to broker.acme.example:8440",
    );
    let mut child = agent
        .run(&["--wait-broker", "60s"], &["true"])
        .spawn()
        .unwrap();
    let mut progress = String::new();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    lines.read_line(&mut progress).unwrap();
    assert!(progress.contains("BROKER_UNREACHABLE"), "{progress}");
    agent.relent();
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    assert_eq!((child.wait().unwrap().code(), rest.as_str()), (Some(0), ""));
}

#[test]
fn when_it_gives_up_it_says_what_it_tried() {
    let agent = FakeAgent::start();
    agent.refuse(503, "BROKER_UNREACHABLE", "no connection");
    let output = agent
        .run(&["--wait-broker", "300ms"], &["true"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(125));
    assert!(
        stderr(&output).contains("why: no connection (tried "),
        "{output:?}"
    );
}

#[test]
fn a_denial_is_not_waited_for() {
    let agent = FakeAgent::start();
    agent.refuse(403, "TASK_NOT_GRANTED", "no");
    let output = agent
        .run(&["--wait-broker", "60s"], &["true"])
        .output()
        .unwrap();
    assert_eq!((output.status.code(), agent.calls().len()), (Some(125), 1));
}

#[test]
fn a_signal_ends_the_waiting_and_leaves_nothing() {
    let agent = FakeAgent::start();
    agent.refuse(503, "BROKER_UNREACHABLE", "no connection");
    let mut child = agent
        .run(&["--wait-broker", "60s"], &["true"])
        .spawn()
        .unwrap();
    let mut progress = String::new();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    lines.read_line(&mut progress).unwrap();
    kill_process(
        Pid::from_raw(child.id().try_into().unwrap()).unwrap(),
        Signal::INT,
    )
    .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(agent.nothing_is_left());
}
