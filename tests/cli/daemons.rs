//! `broker` and `agent`: their configurations, their logs, and their ends.

use std::fs::Permissions;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustls::pki_types::UnixTime;
use serde_json::Value;
use taskpass_identity::ca::CertificateAuthority;
use tempfile::TempDir;

use super::{stderr, stdout, taskpass};

#[test]
fn a_configuration_that_cannot_be_read_is_a_bad_input_file() {
    for daemon in ["broker", "agent"] {
        let line = [daemon, "--config", "/no/such/file.toml"];
        let output = taskpass(&line).output().unwrap();
        assert_eq!((output.status.code(), stdout(&output)), (Some(2), ""));
        let said = stderr(&output);
        assert!(
            said.starts_with("error: cannot use the configuration `/no/such/file.toml`"),
            "{said}"
        );
    }
}

#[test]
fn a_configuration_with_a_typing_error_is_shown_where_it_is() {
    let home = TempDir::new().unwrap();
    let path = home.path().join("agent.toml");
    std::fs::write(&path, "sockett = 3\n").unwrap();
    for daemon in ["broker", "agent"] {
        let output = taskpass(&[daemon, "--check-config", "--config"])
            .arg(&path)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(
            stderr(&output).contains("\n       1 | sockett = 3\n"),
            "{output:?}"
        );
    }
}

#[test]
fn a_log_filter_that_makes_no_sense_is_refused() {
    let home = TempDir::new().unwrap();
    let config = agent_config(&home);
    let line = ["agent", "--log", "x=y=z", "--config", config.as_str()];
    let output = taskpass(&line).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("`--log x=y=z` cannot be used"),
        "{output:?}"
    );
}

#[test]
fn checking_a_configuration_says_all_that_is_wrong_and_starts_nothing() {
    let home = TempDir::new().unwrap();
    let config = agent_config(&home);
    let line = [
        "agent",
        "--check-config",
        "--output",
        "json",
        "--config",
        config.as_str(),
    ];
    let output = taskpass(&line).output().unwrap();
    assert_eq!((output.status.code(), stderr(&output)), (Some(2), ""));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let problems = document["problems"].as_array().unwrap();
    for file in ["bundle.pem", "svid.pem"] {
        assert!(
            problems
                .iter()
                .any(|one| one.as_str().unwrap().contains(file)),
            "{document}"
        );
    }
    assert!(!home.path().join("agent.sock").exists());
}

#[test]
fn the_agent_logs_a_json_line_when_it_is_ready_and_stops_when_told_to() {
    let home = TempDir::new().unwrap();
    let config = agent_config(&home);
    issue_svid(&home);
    let mut child = taskpass(&["agent", "--config", config.as_str()])
        .spawn()
        .unwrap();
    let log = BufReader::new(child.stderr.take().unwrap());
    let mut lines = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    assert!(lines.any(|line| line["message"] == "agent serves"));
    kill_process(
        Pid::from_raw(child.id().try_into().unwrap()).unwrap(),
        Signal::TERM,
    )
    .unwrap();
    lines.for_each(drop);
    let mut out = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut out)
        .unwrap();
    assert_eq!((child.wait().unwrap().code(), out.as_str()), (Some(0), ""));
}

/// A configuration whose SVIDs are still to come.
fn agent_config(home: &TempDir) -> String {
    let path = home.path().join("agent.toml");
    let text = r#"
        state = "state"
        socket = "agent.sock"
        [broker]
        address = "127.0.0.1:1"
        spiffe_id = "spiffe://acme.example/taskpass/broker"
        bundle = "bundle.pem"
        [[identity]]
        certificate = "svid.pem"
        key = "svid.key"
        uids = [0]
    "#;
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The SVID and the bundle that the configuration names.
fn issue_svid(home: &TempDir) {
    let domain = "acme.example".parse().unwrap();
    let (now, hour) = (UnixTime::now(), Duration::from_secs(3600));
    let authority = CertificateAuthority::new(domain, hour, now).unwrap();
    let id = "spiffe://acme.example/prod/ci/docs/runner".parse().unwrap();
    let svid = authority.issue(&id, hour, now).unwrap();
    let files = [
        ("bundle.pem", authority.certificate_pem()),
        ("svid.pem", &svid.certificates_pem),
        ("svid.key", &svid.private_key_pem),
    ];
    for (name, content) in files {
        let path = home.path().join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }
}
