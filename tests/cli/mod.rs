//! The command line: what it prints, how it exits, and what `run` does around a command.

mod admin;
mod bench;
mod daemons;
mod dev;
mod fake_agent;
mod fake_broker;
mod help;
mod output;
mod policy;
mod policy_tools;
mod run;
mod run_environment;
mod run_signals;
mod run_waiting;
mod token;

use std::process::{Command, Output, Stdio};

/// The command line of this build, in an environment of its own and without a terminal.
fn taskpass(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_taskpass"));
    command
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn stdout(output: &Output) -> &str {
    str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    str::from_utf8(&output.stderr).unwrap()
}
