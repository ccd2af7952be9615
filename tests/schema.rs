//! The JSON Schemas for editors: committed as they are written, and true to what the product takes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::process::BINARY;
use crate::support::python;

const VALIDATE: &str = r#"
import json, sys, tomllib
from jsonschema import Draft7Validator, Draft4Validator
schema = json.load(open(sys.argv[1]))
Draft7Validator.check_schema(schema)
Draft4Validator.check_schema({k: v for k, v in schema.items() if k != "$schema"})
results = []
for text in json.load(sys.stdin):
    value = tomllib.loads(text)
    verdicts = [v(schema).is_valid(value) for v in (Draft7Validator, Draft4Validator)]
    results.append(verdicts[0] if verdicts[0] == verdicts[1] else None)
print(json.dumps(results))
"#;

/// Says whether a file of this path is meant.
type IsWanted<'a> = &'a dyn Fn(&str) -> bool;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn committed(kind: &str) -> PathBuf {
    root().join(format!("docs/schema/{kind}.schema.json"))
}

/// What an independent validator says of each text, by two drafts that have to agree.
fn validated(kind: &str, texts: &[String]) -> Vec<bool> {
    use std::io::Write as _;
    let mut child = Command::new(python())
        .args(["-c", VALIDATE])
        .arg(committed(kind))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let input = serde_json::to_vec(texts).unwrap();
    child.stdin.take().unwrap().write_all(&input).unwrap();
    let output = child.wait_with_output().unwrap();
    let results: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let verdict = |value: &Value| value.as_bool().expect("the drafts do not agree");
    results.as_array().unwrap().iter().map(verdict).collect()
}

/// The texts of all files below a directory that `is_wanted` says.
fn texts(directory: &Path, is_wanted: IsWanted<'_>) -> Vec<String> {
    let mut texts = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts.extend(self::texts(&path, is_wanted));
        } else if is_wanted(path.to_str().unwrap()) {
            texts.push(fs::read_to_string(path).unwrap());
        }
    }
    texts
}

#[test]
fn the_committed_schemas_are_those_that_the_command_writes() {
    for kind in ["policy", "installation", "test"] {
        let output = Command::new(BINARY)
            .args(["policy", "schema", kind])
            .output()
            .unwrap();
        let written = String::from_utf8(output.stdout).unwrap();
        let committed = fs::read_to_string(committed(kind)).unwrap();
        assert!(
            written == committed,
            "type: taskpass policy schema {kind} > docs/schema/{kind}.schema.json"
        );
    }
}

#[test]
fn every_example_is_valid() {
    let examples = root().join("examples");
    let is_test = |path: &str| path.ends_with(".test.toml");
    let is_toml = |path: &str| Path::new(path).extension().is_some_and(|end| end == "toml");
    let is_policy = |path: &str| path.contains("/policy/") && is_toml(path) && !is_test(path);
    let is_installation = |path: &str| path.ends_with("/installation.toml");
    let kinds: [(&str, IsWanted<'_>, usize); 3] = [
        ("policy", &is_policy, 10),
        ("installation", &is_installation, 6),
        ("test", &is_test, 5),
    ];
    for (kind, is_wanted, at_least) in kinds {
        let texts = texts(&examples, is_wanted);
        assert!(texts.len() >= at_least, "{kind}");
        for (text, is_valid) in texts.iter().zip(validated(kind, &texts)) {
            assert!(is_valid, "{kind}: {text}");
        }
    }
}

#[test]
fn what_the_product_refuses_by_its_shape_is_invalid() {
    let read = |path: &str| fs::read_to_string(root().join("examples").join(path)).unwrap();
    let policy = read("policy/deploy-docs.toml");
    let installation = read("installation.toml");
    let test = read("cookbook/coding-agent/policy/agent.test.toml");
    let edits = [
        ("policy", &policy, "owner =", "ownr ="),
        (
            "policy",
            &policy,
            "owner = \"docs-platform@acme.example\"\n",
            "",
        ),
        ("policy", &policy, "[task.deploy-docs]", "[task.DeployDocs]"),
        ("policy", &policy, "[task.deploy-docs]", "[tsk.deploy-docs]"),
        ("policy", &policy, "\"30m\"", "\"30 m\""),
        ("policy", &policy, "\"30m\"", "30"),
        ("policy", &policy, "type = \"path\"", "type = \"paths\""),
        ("policy", &policy, "type = \"path\"", "type = \"boolean\""),
        (
            "policy",
            &policy,
            "spiffe://acme.example/prod/ci/docs/*",
            "acme.example/prod",
        ),
        (
            "policy",
            &policy,
            "spiffe://acme.example/prod/ci/docs/*",
            "spiffe://*/prod",
        ),
        (
            "policy",
            &policy,
            "spiffe://acme.example/prod/ci/docs/*",
            "spiffe://d/**/x",
        ),
        (
            "policy",
            &policy,
            "credentials = [\"docs-site\"]",
            "credentials = []",
        ),
        ("policy", &policy, "max_live_jobs = 5", "max_live_jobs = 0"),
        ("policy", &policy, "\"docs:write\"", "\"docs write\""),
        ("policy", &policy, "environment = \"prod\"\n", ""),
        (
            "installation",
            &installation,
            "kind = \"jwt\"",
            "kind = \"magic\"",
        ),
        ("installation", &installation, "max_ttl = \"1h\"\n", ""),
        ("installation", &installation, "max_ttl", "max-ttl"),
        ("test", &test, "name = ", "nme = "),
        (
            "test",
            &test,
            "task = \"code/push-branch\"",
            "tsk = \"code/push-branch\"",
        ),
        (
            "test",
            &test,
            "[test.expect.allow.branch-write]",
            "[test.expect.alow.branch-write]",
        ),
        ("test", &test, "\"params.branch\"", "\"parms.branch\""),
        ("test", &test, "ttl = \"2m\"", "ttl = 2"),
    ];
    for (kind, text, find, replace) in edits {
        let edited = text.replacen(find, replace, 1);
        assert_ne!(edited, *text, "{find}");
        assert_eq!(validated(kind, &[edited]), [false], "{find} → {replace}");
    }
}
