//! docs/operations.md says what is so: its commands, its metrics, and what readiness says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::http;
use crate::support::installation::Installation;
use crate::support::process::BINARY;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn page() -> String {
    fs::read_to_string(root().join("docs/operations.md")).unwrap()
}

/// The sources of the broker, as one text without line breaks.
fn broker() -> String {
    fn read(folder: &Path, text: &mut String) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                read(&path, text);
            } else {
                text.push_str(&fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut text = String::new();
    read(&root().join("broker/src"), &mut text);
    // Where SVIDs come from counts its own troubles.
    read(&root().join("identity/src/source"), &mut text);
    text
}

#[test]
fn every_command_of_the_page_is_one() {
    let page = page();
    let lines = page
        .lines()
        .filter_map(|line| line.strip_prefix("taskpass "));
    let mut seen = 0;
    for line in lines {
        // Quotes matter to a shell only; what is in them is of no interest here.
        let line = line.replace("\"looks wrong\"", "wrong");
        let words = line.split(' ').chain(["--help"]);
        let output = Command::new(BINARY)
            .args(words)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success(), "taskpass {line}: {output:?}");
        seen += 1;
    }
    assert!(seen >= 10, "{seen}");
}

#[test]
fn every_metric_of_the_page_exists_and_every_gauge_of_health_is_on_it() {
    let (page, broker) = (page(), broker());
    let named = page.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let named: Vec<&str> = named.filter(|word| word.starts_with("taskpass_")).collect();
    assert!(named.len() >= 14, "{named:?}");
    for name in named {
        assert!(
            broker.contains(&format!("\"{name}\"")),
            "`{name}` is no metric"
        );
    }
}

#[tokio::test]
async fn counters_to_alarm_on_are_there_at_0_before_their_first_event() {
    let broker = Installation::start().await;
    let (_, metrics) = http::get(broker.operations, "/metrics").await.unwrap();
    let page = page();
    let named = page.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let counters: Vec<&str> = named
        .filter(|word| word.starts_with("taskpass_") && word.ends_with("_total"))
        .collect();
    assert!(counters.len() >= 8, "{counters:?}");
    for name in counters {
        assert!(
            metrics.contains(&format!("# HELP {name} ")),
            "{name}: {metrics}"
        );
        let is_there = |line: &str| line.starts_with(name) && line.contains(' ');
        assert!(metrics.lines().any(is_there), "{name}: {metrics}");
    }
    for series in [
        r#"taskpass_jobs_ended_total{cause="heartbeat_lost"}"#,
        r#"taskpass_refusals_total{reason="RATE_LIMITED"}"#,
        r#"taskpass_decisions_total{outcome="TASK_NOT_GRANTED"}"#,
        r#"taskpass_store_errors_total{kind="full"}"#,
        r#"taskpass_identity_problems_total{source="workload_api",why="silent"}"#,
        "taskpass_admin_refused_total",
    ] {
        assert_eq!(
            http::metric(&metrics, series),
            Some(0.0),
            "{series}: {metrics}"
        );
    }
}

#[test]
fn every_metric_is_in_the_catalogue() {
    let catalogue = root().join("broker/src/app/metric_catalogue.rs");
    let catalogue = fs::read_to_string(catalogue).unwrap();
    let broker = broker();
    let mut seen = 0;
    for kind in ["counter!(\"", "gauge!(\"", "histogram!(\""] {
        for after in broker.split(kind).skip(1) {
            let (name, _) = after.split_once('"').unwrap();
            assert!(catalogue.contains(&format!("\"{name}\"")), "{name}");
            seen += 1;
        }
    }
    assert!(seen >= 30, "{seen}");
}

#[test]
fn readiness_says_what_the_page_explains() {
    let (page, broker) = (page(), broker());
    let (_, table) = page.split_once("## What readiness says").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let said: Vec<&str> = rows
        .filter_map(|row| row.split(['`', '(']).next())
        .collect();
    assert!(said.len() >= 10, "{said:?}");
    for said in said {
        assert!(
            broker.contains(said.trim_end()),
            "readiness never says `{said}`"
        );
    }
}

#[test]
fn the_paths_of_the_broker_are_the_same_everywhere() {
    let files = [
        "docs/operations.md",
        "examples/broker.toml",
        "examples/systemd/taskpass-broker.service",
    ];
    let store = "/var/lib/taskpass/broker/taskpass.db";
    for file in files {
        let text = fs::read_to_string(root().join(file)).unwrap();
        for path in [store, "/run/taskpass-broker/admin.sock"] {
            assert!(text.contains(path), "{file}: {path}");
        }
    }
    for file in [&files[..], &["docs/store.md", "docs/audit-log.md"]].concat() {
        let text = fs::read_to_string(root().join(file)).unwrap();
        for old in ["/var/lib/taskpass/taskpass.db", "/var/lib/taskpass/audit"] {
            assert!(!text.contains(old), "{file}: {old}");
        }
    }
}

#[test]
fn its_links_lead_somewhere() {
    let page = page();
    let targets = page
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    for target in targets.filter(|target| !target.starts_with("http")) {
        assert!(root().join("docs").join(target).exists(), "{target}");
    }
}
