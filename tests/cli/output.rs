//! What every command does with its output.

use serde_json::Value;

use super::{stderr, stdout, taskpass};

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = taskpass(&["completions", "bash"]);
    let output = command.stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
}

#[test]
fn a_wrong_command_line_is_exit_code_2() {
    for line in [
        &["no-such-command"][..],
        &["run"],
        &["token"],
        &["job", "show", "x"],
        &[],
    ] {
        let output = taskpass(line).output().unwrap();
        assert_eq!(
            (output.status.code(), stdout(&output)),
            (Some(2), ""),
            "{line:?}"
        );
    }
}

#[test]
fn errors_are_json_where_json_was_asked_for() {
    for line in [
        &[
            "--output",
            "json",
            "token",
            "--task",
            "t",
            "--agent-socket",
            "/no/such",
        ][..],
        &["token", "--output=json"],
    ] {
        let output = taskpass(line).output().unwrap();
        assert_eq!(stdout(&output), "");
        let document: Value = serde_json::from_str(stderr(&output)).unwrap();
        let code = i64::from(output.status.code().unwrap());
        assert_eq!(document["error"]["exit_code"], code, "{document}");
        assert!(document["error"]["what"].is_string(), "{document}");
    }
}

#[test]
fn colours_are_used_only_where_somebody_can_see_them() {
    let error = |arguments: &[&str]| {
        let mut line = vec!["token", "--task", "t", "--agent-socket", "/no/such"];
        line.extend(arguments);
        taskpass(&line).output().unwrap().stderr
    };
    assert!(!error(&[]).contains(&0x1b));
    assert!(!error(&["--color", "never"]).contains(&0x1b));
    assert!(error(&["--color", "always"]).contains(&0x1b));
}

#[test]
fn the_version_is_that_of_the_package() {
    let output = taskpass(&["version"]).output().unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        stdout(&output),
        format!("taskpass {version} (with broker and agent)\n")
    );
}
