//! `run`: exit codes, credential files, and the job around the command.

use std::fs;

use serde_json::json;

use super::fake_agent::{Call, FakeAgent, JOB};
use super::{stderr, stdout};

fn call(line: String, body: serde_json::Value) -> Call {
    Call { line, body }
}

#[test]
fn the_commands_own_exit_code_is_passed_back() {
    let agent = FakeAgent::start();
    for code in [0, 1, 7, 125, 255] {
        let status = agent
            .run(&[], &["sh", "-c", &format!("exit {code}")])
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(code));
    }
}

#[test]
fn a_signal_that_ended_the_command_is_128_and_its_number() {
    let agent = FakeAgent::start();
    for (signal, code) in [("KILL", 137), ("TERM", 143), ("INT", 130)] {
        let script = format!("kill -{signal} $$");
        let status = agent.run(&[], &["sh", "-c", &script]).status().unwrap();
        assert_eq!(status.code(), Some(code), "{signal}");
    }
}

#[test]
fn a_command_that_cannot_start_is_told_apart_as_env_does() {
    let agent = FakeAgent::start();
    let plain_file = agent.files().join("../not-executable");
    fs::write(&plain_file, "x").unwrap();
    for (program, code) in [
        ("no-such-command", 127),
        (plain_file.to_str().unwrap(), 126),
    ] {
        let output = agent.run(&[], &[program]).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{program}");
        assert!(stderr(&output).starts_with(&format!("error: cannot run `{program}`")));
        assert!(agent.calls().last().unwrap().line.starts_with("DELETE "));
        assert!(agent.nothing_is_left());
    }
}

#[test]
fn the_command_gets_private_files_which_are_gone_afterwards() {
    let agent = FakeAgent::start();
    agent.grant(&[("docs-api", "one"), ("db", "two")]);
    let script = "cd $TASKPASS_CREDENTIALS_DIR && stat -c %a . docs-api db && cat docs-api db && echo && echo $TASKPASS_JOB_ID && pwd";
    let output = agent.run(&[], &["sh", "-c", script]).output().unwrap();
    let lines: Vec<&str> = stdout(&output).lines().collect();
    assert_eq!(lines[..5], ["700", "600", "600", "onetwo", JOB]);
    assert!(
        lines[5].starts_with(agent.files().to_str().unwrap()),
        "{}",
        lines[5]
    );
    assert!(agent.nothing_is_left());
    assert_eq!(stderr(&output), "");
}

#[test]
fn the_files_lie_in_memory_unless_told_otherwise() {
    let agent = FakeAgent::start();
    let mut command = agent.taskpass(&[
        "run",
        "--task",
        "deploy-docs",
        "sh",
        "-c",
        "stat -f -c %T $TASKPASS_CREDENTIALS_DIR",
    ]);
    let output = command.output().unwrap();
    assert!(
        matches!(stdout(&output), "tmpfs\n" | "ramfs\n"),
        "{output:?}"
    );
}

#[test]
fn the_job_is_tied_to_both_processes_and_closed_with_the_exit_code() {
    let agent = FakeAgent::start();
    let options = [
        "--param",
        "ref=main",
        "--credential",
        "docs-api",
        "--scope",
        "docs:write",
        "--ttl",
        "5m",
    ];
    let output = agent
        .run(&options, &["sh", "-c", "echo $$; exit 3"])
        .output()
        .unwrap();
    let pid: u32 = stdout(&output).trim().parse().unwrap();
    assert_eq!(
        agent.calls(),
        [
            call(
                "POST /v1/jobs".to_owned(),
                json!({
                    "task": "deploy-docs", "params": {"ref": "main"}, "anchor": {"type": "caller"},
                    "credentials": [{"name": "docs-api", "scopes": ["docs:write"]}],
                    "max_duration_seconds": 300.0,
                }),
            ),
            call(format!("POST /v1/jobs/{JOB}/anchors"), json!({"pid": pid})),
            call(
                format!("DELETE /v1/jobs/{JOB}?wait_seconds=2"),
                json!({"exit_status": 3})
            ),
        ]
    );
}

#[test]
fn a_command_that_is_over_before_the_job_is_tied_to_it_is_nothing_to_warn_of() {
    let agent = FakeAgent::start();
    agent.look_too_late();
    let output = agent.run(&[], &["sh", "-c", "exit 5"]).output().unwrap();
    assert_eq!((output.status.code(), stderr(&output)), (Some(5), ""));
}

#[test]
fn a_credential_is_put_into_a_variable_only_when_asked_for_by_name() {
    let agent = FakeAgent::start();
    let output = agent
        .run(&["--env", "DOCS=docs-api"], &["sh", "-c", "echo $DOCS"])
        .output()
        .unwrap();
    assert_eq!(stdout(&output), "first\n");
    let output = agent.run(&[], &["env"]).output().unwrap();
    assert!(!stdout(&output).contains("first"));
}

#[test]
fn a_variable_for_a_credential_that_is_not_granted_stops_it_before_the_command() {
    let agent = FakeAgent::start();
    let output = agent
        .run(&["--env", "DB=db"], &["echo", "started"])
        .output()
        .unwrap();
    assert_eq!((output.status.code(), stdout(&output)), (Some(125), ""));
    insta::assert_snapshot!(stderr(&output), @r"
    error: the task grants no credential `db`
      why: it grants `docs-api`
    ");
    assert!(agent.calls().last().unwrap().line.starts_with("DELETE "));
}

#[test]
fn a_denial_says_why_what_to_try_and_where_the_whole_why_is() {
    let agent = FakeAgent::start();
    agent.refuse(
        403,
        "TASK_NOT_GRANTED",
        "no grant lets this workload do this task",
    );
    let output = agent.run(&[], &["echo", "started"]).output().unwrap();
    assert_eq!((output.status.code(), stdout(&output)), (Some(125), ""));
    insta::assert_snapshot!(stderr(&output), @r"
    error: the job was not opened: TASK_NOT_GRANTED
      why: no grant lets this workload do this task
      try: ask the task's owner for a grant, and check the task's name; an operator sees why: `taskpass audit show dec_7`
    ");
    assert!(agent.nothing_is_left());
}

#[test]
fn a_close_that_is_not_confirmed_is_told_and_changes_no_exit_code() {
    let agent = FakeAgent::start();
    agent.leave_closes_pending();
    let output = agent.run(&[], &["true"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(
        stderr(&output).contains("the broker has not confirmed it yet"),
        "{output:?}"
    );
}

#[test]
fn a_disk_is_refused_before_a_job_is_opened() {
    let agent = FakeAgent::start();
    let line = [
        "run",
        "--task",
        "t",
        "--credentials-dir",
        "/proc",
        "--",
        "true",
    ];
    let output = agent.taskpass(&line).output().unwrap();
    assert_eq!(output.status.code(), Some(125));
    assert!(stderr(&output).contains("it lies on a disk"), "{output:?}");
    assert_eq!(agent.calls(), []);
}

#[test]
fn the_command_asks_the_same_agent_whatever_directory_it_goes_to() {
    let agent = FakeAgent::start();
    let mut command = agent.taskpass(&["run", "--agent-socket", "agent.sock", "--task", "t", "--"]);
    command.args(["sh", "-c", "cd / && echo $TASKPASS_AGENT_SOCKET"]);
    command.current_dir(agent.socket().parent().unwrap());
    let output = command.output().unwrap();
    assert_eq!(stdout(&output).trim(), agent.socket().to_str().unwrap());
}
