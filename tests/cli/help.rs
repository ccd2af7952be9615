//! The help of every command, as people see it.

use super::{stdout, taskpass};

/// Every command that has a help of its own.
const COMMANDS: &[&str] = &[
    "",
    "broker",
    "agent",
    "dev",
    "agent upgrade",
    "bench",
    "bench policy",
    "policy",
    "policy check",
    "policy test",
    "policy diff",
    "policy explain",
    "policy fmt",
    "policy replay",
    "policy schema",
    "policy show",
    "version",
    "run",
    "token",
    "job",
    "job list",
    "job show",
    "job close",
    "lease",
    "lease list",
    "lease show",
    "lease revoke",
    "workload",
    "workload ban",
    "workload unban",
    "workload list",
    "key",
    "key list",
    "key rotate",
    "key retire",
    "key export",
    "status",
    "store",
    "store backup",
    "store check",
    "store restore",
    "audit",
    "audit list",
    "audit show",
    "completions",
];

#[test]
fn help_is_as_it_was_reviewed() {
    for command in COMMANDS {
        let words: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let output = taskpass(&words).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{command}");
        let name = format!("taskpass {command}").trim().replace(' ', "-");
        insta::assert_snapshot!(name, stdout(&output));
    }
}

#[test]
fn the_exit_codes_have_a_page() {
    let output = taskpass(&["help", "exit-codes"]).output().unwrap();
    assert!(stdout(&output).contains("125  Taskpass itself failed"));
}
