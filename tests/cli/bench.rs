//! `taskpass bench policy`: a small one, so that the large one can be run at any time.

use serde_json::Value;
use tempfile::TempDir;

use super::{stderr, taskpass};

#[test]
fn a_policy_of_any_size_is_made_and_measured() {
    let home = TempDir::new().unwrap();
    let kept = home.path().join("kept");
    // More than five a task, so that every kind of grant is there.
    let numbers = ["--tasks", "30", "--grants", "157", "--seconds", "1"];
    let output = taskpass(&[&["bench", "policy", "--output", "json"], &numbers[..]].concat())
        .arg("--into")
        .arg(&kept)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let figure = |name: &str| {
        let figures = report["figures"].as_array().unwrap();
        let found = figures.iter().find(|figure| figure["name"] == name);
        found
            .unwrap_or_else(|| panic!("{name}: {report:#}"))
            .clone()
    };
    let numbers = [("tasks", 30.0), ("grants", 157.0), ("guardrails", 4.0)];
    for (name, expected) in numbers
        .into_iter()
        .chain([("tests", 1000.0), ("calls refused", 0.0)])
    {
        assert_eq!(figure(name)["value"], expected, "{name}");
    }
    assert_eq!(figure("decision, large ÷ small, p50")["at_most"], 1.5);
    assert_eq!(figure("replay")["at_least"], 20_000.0);
    // What is kept is a policy like any other, and the same for the same numbers.
    let checked = taskpass(&["policy", "check", "--output", "json"])
        .arg(kept.join("policy"))
        .output()
        .unwrap();
    let checked: Value = serde_json::from_slice(&checked.stdout).unwrap();
    let seen = (&checked["grants"], &checked["warnings"]);
    assert_eq!(seen, (&157.into(), &0.into()), "{checked:#}");
}
