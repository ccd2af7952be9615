//! `dev`: what it refuses before it spoils anything, and that its next command works.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Output;

use super::{stderr, taskpass};
use crate::support::eventually;
use crate::support::process::Process;

fn dev(folder: &Path, options: &[&str]) -> Output {
    let mut command = taskpass(&["dev", "--dir"]);
    command.arg(folder).args(options).output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_one_leaves_the_first_as_it_is_and_the_command_that_is_shown_is_granted() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("dev");
    let options = ["--free-ports", "--workload", "agents/researcher"];
    let mut line = vec!["dev", "--dir", folder.to_str().unwrap()];
    line.extend(options);
    let mut process = Process::start(&line, &home.path().join("log"));
    eventually("dev is up", || {
        process.must_run();
        let is_up = process.log().contains("taskpass dev is up");
        async move { is_up.then_some(()) }
    })
    .await;
    let files = [
        "svids/broker.pem",
        "svids/agent.key",
        "broker.toml",
        "agents/agent.toml",
    ];
    let read = || files.map(|file| fs::read(folder.join(file)).unwrap());
    let before = read();
    let second = dev(&folder, &["--free-ports"]);
    assert_eq!(second.status.code(), Some(1));
    let said = stderr(&second);
    assert!(said.contains("another `taskpass dev` runs in it"), "{said}");
    assert!(
        before == read(),
        "the files of the first are what they were"
    );
    let mut run = taskpass(&["run", "--task", "deploy-docs"]);
    run.args(["--param", "ref=refs/heads/main", "--", "true"]);
    run.env("TASKPASS_AGENT_SOCKET", folder.join("agent.sock"));
    let ran = run.output().unwrap();
    assert_eq!(ran.status.code(), Some(0), "{}", stderr(&ran));
}

#[test]
fn a_path_that_names_no_workload_is_a_wrong_command_line() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("dev");
    for (workload, why) in [
        ("Bad Path", "path segments"),
        ("/ci/x", "without the leading `/`: `ci/x`"),
    ] {
        let refused = dev(&folder, &["--workload", workload]);
        assert_eq!(refused.status.code(), Some(2), "{workload}");
        assert!(stderr(&refused).contains(why), "{}", stderr(&refused));
    }
    assert!(!folder.exists());
}

#[test]
fn a_port_that_is_taken_says_what_to_try() {
    let home = tempfile::tempdir().unwrap();
    // Whoever has it, it is taken.
    let _taken = TcpListener::bind("127.0.0.1:8440");
    let refused = dev(&home.path().join("dev"), &[]);
    assert_eq!(refused.status.code(), Some(1));
    let said = stderr(&refused);
    assert!(said.contains("cannot listen on 127.0.0.1:8440"), "{said}");
    assert!(said.contains("--free-ports"), "{said}");
}
