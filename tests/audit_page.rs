//! docs/audit-log.md names every event and every cause, and the command line knows the same events.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use taskpass_broker::domain::cause::Cause;

use crate::support::process::BINARY;

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    fs::read_to_string(root.join(path)).unwrap()
}

/// The names in the first column of the table of a section.
fn first_column(heading: &str) -> BTreeSet<String> {
    let page = read("docs/audit-log.md");
    let (_, section) = page.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.flat_map(|row| {
        let (names, _) = row.split_once("` |").unwrap();
        names
            .split("`, `")
            .map(ToOwned::to_owned)
            .collect::<Vec<_>>()
    })
    .collect()
}

#[test]
fn every_event_is_explained_and_can_be_searched_for() {
    let source = read("broker/src/domain/audit.rs");
    let (_, events) = source.split_once("pub enum Event {").unwrap();
    let (events, _) = events.split_once("\n}\n").unwrap();
    let events = events.split("serde(rename = \"").skip(1);
    let events: BTreeSet<String> = events
        .map(|rest| rest.split('"').next().unwrap().to_owned())
        .collect();
    assert!(events.len() >= 27, "{events:?}");
    assert_eq!(first_column("Events"), events);
    let refused = Command::new(BINARY)
        .args(["audit", "list", "--event", "nonsense"])
        .output()
        .unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    let (_, known) = said.split_once("[possible values: ").unwrap();
    let known = known.split(']').next().unwrap().split(", ");
    assert_eq!(
        known.map(ToOwned::to_owned).collect::<BTreeSet<_>>(),
        events
    );
}

#[test]
fn every_cause_is_explained() {
    let causes = Cause::ALL.map(|cause| cause.as_str().to_owned());
    assert_eq!(
        first_column("Why jobs and leases end"),
        causes.into_iter().collect::<BTreeSet<_>>()
    );
}
