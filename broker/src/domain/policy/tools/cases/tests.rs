//! Tests of the tests.

use std::fmt::Write as _;

use super::*;
use crate::domain::policy::{Installation, Severity};

const POLICY: &str = include_str!("../../../../../../examples/policy/deploy-docs.toml");
const SHARED: &str = include_str!("../../../../../../examples/policy/shared.toml");
const INSTALLATION: &str = include_str!("../../../../../../examples/installation.toml");

const CASES: &str = r#"
[[test]]
name = "main is published"
given.workload = "spiffe://acme.example/prod/ci/docs/1"
given.task = "deploy-docs"
given.params.ref = "refs/heads/main"
[test.expect.allow]
docs-site = { scopes = ["ref:refs/heads/main", "docs:write"], ttl = "10m", audience = "https://docs.acme.example" }
tickets-comment = {}

[[test]]
name = "less is asked for"
[test.given]
workload = "spiffe://acme.example/prod/ci/docs/1"
task = "deploy-docs"
params = { ref = "refs/heads/main" }
credentials.docs-site = { scopes = ["docs:write"], lifetime = "1m" }
[test.expect]
allow.docs-site = { scopes = ["docs:write"], ttl = "1m" }

[[test]]
name = "another branch is not"
given = { workload = "spiffe://acme.example/prod/ci/docs/1", task = "deploy-docs", params = { ref = "x" } }
expect.deny = { reason = "PARAMETER_INVALID", because = "refs/heads" }

[[table]]
name = "who may publish"
given = { task = "deploy-docs", params = { ref = "refs/heads/main" } }
columns = ["workload", "params.ref", "params.note", "credentials", "expect"]
rows = [
  ["spiffe://acme.example/prod/ci/docs/1", "refs/heads/main", 7, [], "allow docs-site tickets-comment"],
  ["spiffe://acme.example/prod/ci/docs/1", "refs/heads/main", true, ["docs-site"], "allow docs-site"],
  ["spiffe://acme.example/prod/ci/docs/1", [], [], [], "deny PARAMETER_MISSING"],
  ["spiffe://acme.example/dev/ci/docs/1", "refs/heads/main", [], [], "deny TASK_NOT_GRANTED"],
]
"#;

fn policy() -> Policy {
    let file = |name: &str, text: &str| SourceFile::new(name, text.as_bytes());
    let installation = Installation::parse(&file("installation.toml", INSTALLATION)).unwrap();
    let files = [file("deploy.toml", POLICY), file("shared.toml", SHARED)];
    Policy::compile(&files, &installation).unwrap()
}

fn read(text: &str) -> Result<Vec<Case>, Vec<Diagnostic>> {
    read_cases(&[SourceFile::new("a.test.toml", text.as_bytes())])
}

fn mismatches(text: &str) -> Vec<String> {
    let cases = read(text).unwrap_or_else(|findings| panic!("{findings:#?}"));
    let policy = policy();
    cases
        .iter()
        .flat_map(|case| run(&policy, case).mismatches)
        .map(|m| format!("{}: {} / {}", m.what, m.expected, m.got))
        .collect()
}

#[test]
fn what_is_expected_comes_out() {
    assert_eq!(read(CASES).unwrap().len(), 7);
    assert_eq!(mismatches(CASES), [""; 0]);
}

#[test]
fn everything_that_conditions_look_at_can_be_given() {
    let condition = r#"
when = """
context.time.hour == 9 && context.job.age == 1200 && context.job.generation == 2 && context.job.is_renewal &&
context.risk.exposed && !context.risk.elevated && context.reported has uid && context.reported.uid == 1000 &&
context.reported has host && context.reported.host == "node-1" """
"#;
    let grant = "[[task.deploy-docs.grant]]";
    let text = POLICY.replacen(grant, &format!("{grant}{condition}"), 1);
    let file = |name: &str, text: &str| SourceFile::new(name, text.as_bytes());
    let installation = Installation::parse(&file("installation.toml", INSTALLATION)).unwrap();
    let files = [file("deploy.toml", &text), file("shared.toml", SHARED)];
    let policy = Policy::compile(&files, &installation).unwrap_or_else(|f| panic!("{f:#?}"));
    let case = r#"
[[test]]
name = "a renewal"
[test.given]
workload = "spiffe://acme.example/prod/ci/docs/1"
task = "deploy-docs"
params = { ref = "refs/heads/main" }
time = "2026-11-23T09:00:00Z"
job = { age = "20m", generation = 2 }
risk = { exposed = true }
reported = { host = "node-1", uid = 1000 }
[test.expect]
allow = ["docs-site", "tickets-comment"]
"#;
    let passes = |text: &str| {
        let cases = read(text).unwrap_or_else(|findings| panic!("{findings:#?}"));
        run(&policy, &cases[0]).has_passed()
    };
    assert!(passes(case));
    for (find, other) in [
        ("20m", "21m"),
        ("generation = 2", "generation = 1"),
        ("exposed = true", "elevated = true"),
        ("node-1", "node-2"),
        ("uid = 1000", "uid = 0"),
        ("T09", "T10"),
    ] {
        assert!(!passes(&case.replacen(find, other, 1)), "{other}");
    }
    // A job is as old as it is said to be, though no time is said.
    let young = read(&case.replace("time = \"2026-11-23T09:00:00Z\"\n", "")).unwrap();
    let circumstances = &young[0].given.circumstances;
    assert_eq!(
        circumstances
            .at
            .since(circumstances.job.opened_at)
            .as_secs(),
        1200
    );
}

#[test]
fn every_difference_is_told() {
    let table = [
        (
            "ttl = \"10m\"",
            "ttl = \"9m\"",
            "lifetime of docs-site: 9m / 10m",
        ),
        (
            "scopes = [\"ref:refs/heads/main\", \"docs:write\"]",
            "scopes = [\"docs:write\"]",
            "scopes of docs-site: docs:write / docs:write ref:refs/heads/main",
        ),
        (
            "audience = \"https://docs.acme.example\"",
            "audience = \"https://x.example\"",
            "audience of docs-site: https://x.example / https://docs.acme.example",
        ),
        (
            "tickets-comment = {}\n",
            "",
            "credentials: docs-site / docs-site tickets-comment",
        ),
        (
            "\"allow docs-site\"",
            "\"deny TASK_NOT_GRANTED\"",
            "outcome: deny TASK_NOT_GRANTED / allow docs-site",
        ),
        (
            "\"deny PARAMETER_MISSING\"",
            "\"allow docs-site\"",
            "outcome: allow docs-site / deny PARAMETER_MISSING: parameter `ref` is missing: expected a path (tokens joined by `/`, none of them `.` or `..`), matching `refs/heads/(main|release/[a-z0-9.-]+)`, got nothing",
        ),
        (
            "\"deny PARAMETER_MISSING\"",
            "\"deny PARAMETER_INVALID\"",
            "outcome: deny PARAMETER_INVALID / deny PARAMETER_MISSING: parameter `ref` is missing: expected a path (tokens joined by `/`, none of them `.` or `..`), matching `refs/heads/(main|release/[a-z0-9.-]+)`, got nothing",
        ),
        (
            "because = \"refs/heads\"",
            "because = \"color\"",
            "cause: color / parameter `ref` is not what the task takes: expected a path (tokens joined by `/`, none of them `.` or `..`), matching `refs/heads/(main|release/[a-z0-9.-]+)`, got \"x\"",
        ),
    ];
    for (find, replace, expected) in table {
        let text = CASES.replacen(find, replace, 1);
        assert_ne!(text, CASES, "{find}");
        assert_eq!(mismatches(&text), [expected]);
    }
}

#[test]
fn a_name_that_the_policy_does_not_have_is_a_mistake_unless_a_test_is_about_that() {
    let found = |find: &str, replace: &str| -> Vec<String> {
        let text = CASES.replacen(find, replace, 1);
        assert_ne!(text, CASES, "{find}");
        let findings = unknown_names(&policy(), &read(&text).unwrap()).into_iter();
        findings.map(|finding| finding.to_string()).collect()
    };
    assert_eq!(unknown_names(&policy(), &read(CASES).unwrap()), []);
    let task = "given.task = \"deploy-docs\"";
    assert_eq!(
        found(task, "given.task = \"deplyo-docs\""),
        [
            "a.test.toml:3:8: error: there is no task `deplyo-docs` (help: did you mean `deploy-docs`?)"
        ]
    );
    assert_eq!(
        found("\"allow docs-site\"", "\"allow docs-sit\""),
        [
            "a.test.toml:32:3: error: there is no credential `docs-sit` (help: did you mean `docs-site`?)"
        ]
    );
    // Each name is told once, not for every row.
    assert_eq!(
        found(
            "given = { task = \"deploy-docs\", params = { ref = \"refs",
            "given = { task = \"nothing-like-it\", params = { ref = \"refs"
        ),
        [
            "a.test.toml:31:3: error: there is no task `nothing-like-it` (help: name a task that the policy has)",
            "a.test.toml:34:3: warning: there is no task `nothing-like-it` (help: name a task that the policy has)",
        ]
    );
    assert_eq!(
        found(
            "[\"docs-site\"], \"allow docs-site\"",
            "[\"docs-sit\"], \"deny CREDENTIAL_NOT_GRANTED\""
        ),
        [
            "a.test.toml:32:3: warning: there is no credential `docs-sit` (help: did you mean `docs-site`?)"
        ]
    );
}

#[test]
fn a_grant_by_which_no_test_is_let_in_is_untouched() {
    let cases = read(CASES).unwrap();
    let policy = policy();
    let outcomes: Vec<_> = cases.iter().map(|case| run(&policy, case)).collect();
    let coverage = Coverage::of(&policy, &outcomes);
    assert_eq!(
        (coverage.rules, coverage.touched, coverage.percent()),
        (2, 1, 50)
    );
    assert_eq!(coverage.untouched[0].name, "deploy-docs#2");
    assert_eq!(&*coverage.untouched[0].place, "deploy.toml:23");
}

#[test]
fn every_mistake_is_found_in_its_place_with_a_remedy() {
    let table = [
        ("name = \"main is published\"\n", ""),
        ("given.task", "given.tsk"),
        ("given.task = \"deploy-docs\"\n", ""),
        ("spiffe://acme.example/prod/ci/docs/1", "acme.example/prod"),
        ("[test.expect.allow]", "[test.expect.alow]"),
        ("ttl = \"10m\"", "ttl = 10"),
        ("ttl = \"10m\"", "tll = \"10m\""),
        ("PARAMETER_INVALID", "PARAMETER_INVALD"),
        ("PARAMETER_INVALID", "SHUTTING_DOWN"),
        (
            "expect.deny = { reason",
            "expect.allow = [\"x\"]\nexpect.deny = { reason",
        ),
        (
            "expect.deny = { reason = \"PARAMETER_INVALID\", because = \"refs/heads\" }",
            "expect = \"refuse\"",
        ),
        (
            "expect.deny = { reason = \"PARAMETER_INVALID\", because = \"refs/heads\" }",
            "expect.allow = []",
        ),
        ("\"params.note\"", "\"parms.note\""),
        ("\"expect\"]", "\"params.x\"]"),
        (
            "\"params.ref\", \"params.note\"",
            "\"params.ref\", \"params.ref\"",
        ),
        ("\"deny PARAMETER_MISSING\"]", "]"),
        ("\"deny PARAMETER_MISSING\"]", "{}]"),
        ("rows = [", "rows = [ 1,"),
        ("given.task", "given.job.ages = \"1m\"\ngiven.task"),
        ("given.task", "given.reported.uid = -1\ngiven.task"),
        ("given.task", "given.risk = true\ngiven.task"),
        ("[[table]]", "[task.a]\n[[table]]"),
        ("[[table]]", "[[tabel]]"),
    ];
    let mut lines = String::new();
    for (find, replace) in table {
        let text = CASES.replacen(find, replace, 1);
        let findings = read(&text).expect_err(replace);
        assert!(
            findings
                .iter()
                .all(|f| f.severity == Severity::Error && f.help.is_some()),
            "{findings:#?}"
        );
        for finding in findings {
            writeln!(lines, "{finding}").unwrap();
        }
    }
    insta::assert_snapshot!(lines);
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
        let _ = read_cases(&[SourceFile::new("a.test.toml", bytes)]);
    }

    #[test]
    fn no_changed_byte_makes_the_reader_panic(at in 0..CASES.len(), byte: u8) {
        let mut bytes = CASES.as_bytes().to_vec();
        bytes[at] = byte;
        let _ = read_cases(&[SourceFile::new("a.test.toml", bytes)]);
    }
}
