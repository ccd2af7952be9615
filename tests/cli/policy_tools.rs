//! `policy test`, `policy diff`, `policy fmt`: a directory and what changes in it, on a laptop and in a pull request.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use super::{stderr, stdout, taskpass};

const TESTS: &str = r#"
[[table]]
name = "who may publish"
given = { task = "deploy-docs", params = { ref = "refs/heads/main" } }
columns = ["workload", "expect"]
rows = [
  ["spiffe://acme.example/prod/ci/docs/1", "allow docs-site tickets-comment"],
  ["spiffe://acme.example/prod/ops/docs-oncall", "allow docs-site"],
  ["spiffe://acme.example/dev/ci/docs/1", "deny TASK_NOT_GRANTED"],
]
"#;

/// The policy of the examples, in a directory of its own.
fn example(home: &TempDir, name: &str) -> PathBuf {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let home = home.path().join(name);
    let policy = home.join("policy");
    fs::create_dir_all(&policy).unwrap();
    fs::copy(
        examples.join("installation.toml"),
        home.join("installation.toml"),
    )
    .unwrap();
    for file in fs::read_dir(examples.join("policy")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), policy.join(file.file_name())).unwrap();
    }
    policy
}

fn edit(policy: &Path, file: &str, find: &str, replace: &str) {
    let path = policy.join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(find), "{find}");
    fs::write(path, text.replacen(find, replace, 1)).unwrap();
}

fn run(words: &[&str], paths: &[&Path]) -> Output {
    taskpass(&[&["policy"], words].concat())
        .args(paths)
        .output()
        .unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(output)))
}

#[test]
fn a_failed_test_says_what_was_expected_where_and_what_was_considered() {
    let home = TempDir::new().unwrap();
    let policy = example(&home, "a");
    fs::write(policy.join("docs.test.toml"), TESTS).unwrap();
    let passed = run(&["test"], &[&policy]);
    assert_eq!(passed.status.code(), Some(0), "{}", stderr(&passed));
    assert!(stdout(&passed).contains("3 tests passed"));
    assert!(stdout(&passed).contains("no test touches ci/build#1"));
    edit(
        &policy,
        "docs.test.toml",
        "allow docs-site\"",
        "deny TASK_NOT_GRANTED\"",
    );
    let failed = run(&["test"], &[&policy]);
    assert_eq!(failed.status.code(), Some(1));
    let said = stdout(&failed);
    for part in [
        "failed: who may publish, row 2",
        "docs.test.toml:8:3",
        "expected: deny TASK_NOT_GRANTED",
        "got:      allow docs-site",
        "params.ref = \"refs/heads/main\"",
        "grant deploy-docs#2",
        "2 tests passed, 1 failed",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let failed = run(&["test", "--output", "json"], &[&policy]);
    let report = json(&failed);
    assert_eq!(report["passed"], 2);
    assert_eq!(report["failed"][0]["mismatches"][0]["what"], "outcome");
    let filtered = run(&["test", "--filter", "row 1"], &[&policy]);
    assert_eq!(filtered.status.code(), Some(0));
    assert!(!stdout(&filtered).contains("coverage"));
}

#[test]
fn too_little_coverage_and_no_tests_at_all_are_no_success() {
    let home = TempDir::new().unwrap();
    let policy = example(&home, "a");
    assert_eq!(run(&["test"], &[&policy]).status.code(), Some(2));
    fs::write(policy.join("docs.test.toml"), TESTS).unwrap();
    for (least, code) in [("28", 0), ("29", 1)] {
        let output = run(&["test", "--min-coverage", least], &[&policy]);
        assert_eq!(output.status.code(), Some(code), "{}", stdout(&output));
    }
    edit(&policy, "docs.test.toml", "expect\"]", "expct\"]");
    let broken = run(&["test"], &[&policy]);
    assert_eq!(broken.status.code(), Some(2));
    assert!(
        stderr(&broken).contains("docs.test.toml:5:"),
        "{}",
        stderr(&broken)
    );
}

#[test]
fn a_test_of_what_the_policy_does_not_have_is_a_mistake_or_a_warning() {
    let home = TempDir::new().unwrap();
    let policy = example(&home, "a");
    let tests = TESTS.replace("task = \"deploy-docs\"", "task = \"deplyo-docs\"");
    fs::write(policy.join("docs.test.toml"), &tests).unwrap();
    let wrong = run(&["test"], &[&policy]);
    assert_eq!(wrong.status.code(), Some(2));
    for part in [
        "there is no task `deplyo-docs`",
        "did you mean `deploy-docs`?",
        "`taskpass policy test`",
    ] {
        assert!(stderr(&wrong).contains(part), "{part}: {}", stderr(&wrong));
    }
    let denied = tests
        .replace("allow docs-site tickets-comment", "deny TASK_NOT_GRANTED")
        .replace("allow docs-site", "deny TASK_NOT_GRANTED");
    fs::write(policy.join("docs.test.toml"), denied).unwrap();
    let warned = run(&["test"], &[&policy]);
    assert_eq!(warned.status.code(), Some(0), "{}", stderr(&warned));
    assert!(
        stdout(&warned).contains("warning: there is no task `deplyo-docs`"),
        "{}",
        stdout(&warned)
    );
    let report = json(&run(&["test", "--output", "json"], &[&policy]));
    assert_eq!(report["warnings"][0]["severity"], "warning");
}

#[test]
fn every_mistake_in_tests_is_shown() {
    let home = TempDir::new().unwrap();
    let policy = example(&home, "a");
    let tests = "[[test]]\nname = \"x\"\n".repeat(8);
    fs::write(policy.join("docs.test.toml"), tests).unwrap();
    let wrong = run(&["test"], &[&policy]);
    let said = stderr(&wrong);
    assert_eq!(said.matches("has no `given`").count(), 8, "{said}");
    assert!(!said.contains("policy check"), "{said}");
}

#[test]
fn a_thousand_tests_run_at_once() {
    let home = TempDir::new().unwrap();
    let policy = example(&home, "a");
    let row =
        "  [\"spiffe://acme.example/prod/ci/docs/1\", \"allow docs-site tickets-comment\"],\n";
    let rows = row.repeat(1000);
    let tests = TESTS.replace("rows = [\n", &format!("rows = [\n{rows}"));
    fs::write(policy.join("many.test.toml"), tests).unwrap();
    let output = run(&["test"], &[&policy]);
    assert!(
        stdout(&output).contains("1003 tests passed"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_difference_is_one_of_effects() {
    let home = TempDir::new().unwrap();
    let (old, new) = (example(&home, "old"), example(&home, "new"));
    fs::rename(new.join("ci.toml"), new.join("z.toml")).unwrap();
    let same = run(&["diff", "--exit-code"], &[&old, &new]);
    assert_eq!(same.status.code(), Some(0), "{}", stderr(&same));
    assert!(stdout(&same).contains("nothing changes in effect"));
    edit(&new, "deploy-docs.toml", "ttl = \"10m\"", "ttl = \"20m\"");
    edit(
        &new,
        "deploy-docs.toml",
        "max_ttl = \"5m\"",
        "max_ttl = \"2m\"",
    );
    assert_eq!(run(&["diff"], &[&old, &new]).status.code(), Some(0));
    let differs = run(&["diff", "--exit-code", "--output", "json"], &[&old, &new]);
    assert_eq!(differs.status.code(), Some(1));
    let report = json(&differs);
    assert_eq!(
        (&report["widened"], &report["narrowed"]),
        (&1.into(), &1.into())
    );
    assert_eq!(report["changes"][0]["task"], "deploy-docs");
    assert_eq!(report["changes"][0]["kind"], "lifetime");
    let markdown = run(&["diff", "--markdown"], &[&old, &new]);
    insta::assert_snapshot!(stdout(&markdown), @r##"
    ### Policy: 2 changes: 1 widened, 1 narrowed

    #### ⚠️ Lets more through

    | Task | Effect | Workloads |
    | --- | --- | --- |
    | `deploy-docs` | lifetime of credential `docs-site`: `10m` → `20m` | `spiffe://acme.example/prod/ci/docs/*` |

    #### Lets less through

    | Task | Effect | Workloads |
    | --- | --- | --- |
    | `deploy-docs` | lifetime of credential `docs-site`: `5m unless context.params.ref like "refs/heads/release/0.*"` → `2m unless context.params.ref like "refs/heads/release/0.*"` | `spiffe://acme.example/prod/ops/docs-oncall`<br>`spiffe://acme.example/prod/ops/site-oncall` |
    "##);
    edit(&new, "z.toml", "[task.", "[tsk.");
    let broken = run(&["diff"], &[&old, &new]);
    assert_eq!(broken.status.code(), Some(2));
    assert!(
        stderr(&broken).contains("did you mean `task`?"),
        "{}",
        stderr(&broken)
    );
}

/// Runs git in a repository, as somebody.
fn git(at: &Path, words: &[&str]) {
    let output = std::process::Command::new("git")
        .args(["-c", "user.name=Docs", "-c", "user.email=docs@acme.example"])
        .args(words)
        .current_dir(at)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn a_directory_is_compared_with_revisions_of_its_repository() {
    let home = TempDir::new().unwrap();
    let policy = example(&home, "a");
    git(home.path(), &["init", "--quiet"]);
    let commit = |message: &str| {
        git(home.path(), &["add", "--all"]);
        git(home.path(), &["commit", "--quiet", "--message", message]);
    };
    commit("as it is");
    let diff = |words: &[&str]| {
        let words = [&["diff", "--exit-code", "--git"], words].concat();
        run(&words, &[&policy])
    };
    assert_eq!(diff(&["HEAD"]).status.code(), Some(0));
    edit(
        &policy,
        "deploy-docs.toml",
        "ttl = \"10m\"",
        "ttl = \"20m\"",
    );
    let differs = diff(&["HEAD"]);
    assert_eq!(differs.status.code(), Some(1), "{}", stderr(&differs));
    assert!(
        stdout(&differs).contains("10m → 20m"),
        "{}",
        stdout(&differs)
    );
    commit("longer");
    let back = diff(&["HEAD..HEAD~1"]);
    assert!(stdout(&back).contains("20m → 10m"), "{}", stdout(&back));
    // The facts are those of the revision.
    let facts = home.path().join("a/installation.toml");
    let text = fs::read_to_string(&facts).unwrap();
    fs::write(
        &facts,
        text.replacen("max_ttl = \"1h\"", "max_ttl = \"2h\"", 1),
    )
    .unwrap();
    let ceiling = diff(&["HEAD"]);
    assert!(
        stdout(&ceiling).contains("`max_ttl`: 1h → 2h"),
        "{}",
        stdout(&ceiling)
    );
    let unknown = diff(&["no-such-revision"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(
        stderr(&unknown).contains("no-such-revision"),
        "{}",
        stderr(&unknown)
    );
    edit(&policy, "deploy-docs.toml", "[task.", "[tsk.");
    commit("broken");
    let broken = diff(&["HEAD..HEAD~1"]);
    assert_eq!(broken.status.code(), Some(2));
    assert!(
        stderr(&broken).contains("HEAD:a/policy/deploy-docs.toml"),
        "{}",
        stderr(&broken)
    );
}

#[test]
fn files_are_brought_into_form_as_a_whole_or_not_at_all() {
    let home = TempDir::new().unwrap();
    let policy = example(&home, "a");
    let good = run(&["fmt", "--check"], &[&policy]);
    assert_eq!(good.status.code(), Some(0), "{}", stdout(&good));
    edit(&policy, "ci.toml", " = ", "=");
    fs::write(policy.join("a.test.toml"), TESTS.replace(" = ", "=")).unwrap();
    fs::write(policy.join("broken.toml"), "[task\n").unwrap();
    let check = run(&["fmt", "--check", "--output", "json"], &[&policy]);
    assert_eq!(check.status.code(), Some(2));
    assert_eq!(json(&check)["changed"].as_array().unwrap().len(), 2);
    fs::remove_file(policy.join("broken.toml")).unwrap();
    assert_eq!(run(&["fmt", "--check"], &[&policy]).status.code(), Some(1));
    assert_eq!(run(&["fmt"], &[&policy]).status.code(), Some(0));
    assert_eq!(run(&["fmt", "--check"], &[&policy]).status.code(), Some(0));
    assert_eq!(run(&["test"], &[&policy]).status.code(), Some(0));
    fs::write(policy.join("broken.toml"), "a  = [\n").unwrap();
    let refused = run(&["fmt"], &[&policy]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        stdout(&refused).contains("broken.toml: line"),
        "{}",
        stdout(&refused)
    );
    assert_eq!(
        fs::read_to_string(policy.join("broken.toml")).unwrap(),
        "a  = [\n"
    );
}

/// A repository that holds the policy of the examples, with `ttl` of `deploy-docs.toml` behind links.
struct Linked {
    home: TempDir,
    policy: PathBuf,
}

impl Linked {
    fn new() -> Self {
        let home = TempDir::new().unwrap();
        let policy = example(&home, "a");
        git(home.path(), &["init", "--quiet"]);
        Self { home, policy }
    }

    /// Moves what the link is to lead to, and puts the link in its place.
    fn link(&self, from: &str, to: &str, target: &str) {
        let (from, to) = (self.home.path().join(from), self.home.path().join(to));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::rename(&from, to).unwrap();
        std::os::unix::fs::symlink(target, from).unwrap();
    }

    fn commit(&self) {
        git(self.home.path(), &["add", "--all"]);
        git(self.home.path(), &["commit", "--quiet", "--message", "x"]);
    }

    fn edit(&self, file: &str, find: &str, replace: &str) {
        edit(self.home.path(), file, find, replace);
    }

    fn diff(&self, revisions: &str) -> Output {
        run(
            &["diff", "--exit-code", "--git", revisions],
            &[&self.policy],
        )
    }
}

#[test]
fn what_stands_behind_links_is_compared_too() {
    let repository = Linked::new();
    repository.link(
        "a/policy/deploy-docs.toml",
        "shared/docs.toml",
        "../../shared/docs.toml",
    );
    repository.link(
        "a/installation.toml",
        "facts/prod.toml",
        "../facts/prod.toml",
    );
    fs::create_dir(repository.home.path().join("rules")).unwrap();
    let rule = repository.home.path().join("rules/nights.cedar");
    fs::write(
        &rule,
        "forbid(principal, action, resource) when { context.time.hour > 22 };\n",
    )
    .unwrap();
    std::os::unix::fs::symlink("../../rules", repository.policy.join("rules")).unwrap();
    repository.commit();
    let same = repository.diff("HEAD");
    assert_eq!(
        same.status.code(),
        Some(0),
        "{}{}",
        stdout(&same),
        stderr(&same)
    );
    let table = [
        (
            "shared/docs.toml",
            "ttl = \"10m\"",
            "ttl = \"20m\"",
            "10m → 20m",
        ),
        ("rules/nights.cedar", "22", "23", "context.time.hour > 23"),
        (
            "facts/prod.toml",
            "max_ttl = \"1h\"",
            "max_ttl = \"2h\"",
            "`max_ttl`: 1h → 2h",
        ),
    ];
    for (file, find, replace, expected) in table {
        repository.edit(file, find, replace);
        let against_work_tree = repository.diff("HEAD");
        assert!(
            stdout(&against_work_tree).contains(expected),
            "{expected}: {}{}",
            stdout(&against_work_tree),
            stderr(&against_work_tree)
        );
        repository.commit();
        let between = repository.diff("HEAD~1..HEAD");
        assert!(stdout(&between).contains(expected), "{}", stdout(&between));
        assert_eq!(between.status.code(), Some(1));
    }
}

#[test]
fn the_policy_directory_may_be_a_link_that_leads_elsewhere_in_another_revision() {
    let repository = Linked::new();
    repository.link("a/policy", "a/one", "one");
    let copy = |from: &str, to: &str| {
        let (from, to) = (
            repository.home.path().join(from),
            repository.home.path().join(to),
        );
        fs::create_dir(&to).unwrap();
        for file in fs::read_dir(from).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    };
    copy("a/one", "a/two");
    repository.edit("a/two/deploy-docs.toml", "ttl = \"10m\"", "ttl = \"20m\"");
    repository.commit();
    fs::remove_file(&repository.policy).unwrap();
    std::os::unix::fs::symlink("two", &repository.policy).unwrap();
    let differs = repository.diff("HEAD");
    assert!(
        stdout(&differs).contains("10m → 20m"),
        "{}",
        stderr(&differs)
    );
}

#[test]
fn links_out_of_a_revision_and_submodules_are_refused() {
    let table = [
        ("/etc/hostname", "leads out of the repository"),
        ("../../../elsewhere.toml", "leads out of the repository"),
        ("missing.toml", "leads nowhere"),
        ("more.toml", "in a circle"),
    ];
    for (target, expected) in table {
        let repository = Linked::new();
        let link = repository.policy.join("more.toml");
        std::os::unix::fs::symlink(target, &link).unwrap();
        repository.commit();
        let refused = repository.diff("HEAD");
        assert_eq!(refused.status.code(), Some(2));
        let said = stderr(&refused);
        for part in [expected, "a/policy/more.toml", "git worktree add"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    let repository = Linked::new();
    git(&repository.policy, &["init", "--quiet", "shared"]);
    let shared = repository.policy.join("shared");
    git(
        &shared,
        &["commit", "--quiet", "--allow-empty", "--message", "x"],
    );
    repository.commit();
    let refused = repository.diff("HEAD");
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        stderr(&refused).contains("`a/policy/shared` is a submodule"),
        "{}",
        stderr(&refused)
    );
}

#[test]
fn facts_that_a_revision_has_not_yet_are_asked_for() {
    let repository = Linked::new();
    git(repository.home.path(), &["add", "a/policy"]);
    git(
        repository.home.path(),
        &["commit", "--quiet", "--message", "x"],
    );
    let kept_elsewhere = repository.diff("HEAD");
    assert_eq!(
        kept_elsewhere.status.code(),
        Some(0),
        "{}",
        stderr(&kept_elsewhere)
    );
    repository.commit();
    let refused = repository.diff("HEAD~1..HEAD");
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        stderr(&refused).contains("`a/installation.toml`, though"),
        "{}",
        stderr(&refused)
    );
}

const HOURS: &str = r#"
[task.publish]
owner = "docs@acme.example"
purpose = "publish"
params.level = { type = "one_of", values = ["low", "high"] }

[[task.publish.grant]]
workload = "spiffe://acme.example/prod/ci/*"
credentials = ["cache"]
when = 'context.time.hour >= 8 && context.params.level == "low"'

[[task.publish.grant]]
workload = "spiffe://acme.example/prod/ci/*"
credentials = ["cache"]
mode = "audit"
when = 'context.time.hour < 6'

[credential.cache]
issuer = "local"
audience = "cache"
scopes = ["cache:read", "cache:write"]
ttl = "10m"
environment = "any"

[audience.cache]
uri = "https://cache.acme.example"
"#;

/// A policy with a condition on the time.
fn by_the_hour(home: &TempDir) -> PathBuf {
    let policy = home.path().join("policy");
    fs::create_dir(&policy).unwrap();
    fs::write(policy.join("publish.toml"), HOURS).unwrap();
    let facts = "max_ttl = \"1h\"\nmax_duration = \"8h\"\nissuer.local = { kind = \"jwt\" }\n";
    fs::write(home.path().join("installation.toml"), facts).unwrap();
    policy
}

#[test]
fn an_explanation_is_for_a_time_and_says_which_part_of_a_condition_failed() {
    let home = TempDir::new().unwrap();
    let policy = by_the_hour(&home);
    let explain = |time: &str, rest: &[&str]| {
        let words = [
            "explain",
            "--workload",
            "spiffe://acme.example/prod/ci/1",
            "--task",
            "publish",
            "--param",
            "level=low",
            "--time",
            time,
        ];
        run(&[&words[..], rest].concat(), &[&policy])
    };
    let scope = &["--credential", "cache", "--scope", "cache:read"];
    let day = explain("2026-11-23T09:00:00Z", scope);
    assert_eq!(day.status.code(), Some(0), "{}", stdout(&day));
    for part in [
        "scopes: cache:read\n",
        "2026-11-23T09:00:00Z",
        "level = \"low\"",
        "cache (cache:read)",
    ] {
        assert!(stdout(&day).contains(part), "{part}: {}", stdout(&day));
    }
    let night = explain("2026-11-23T07:00:00Z", &[]);
    assert_eq!(night.status.code(), Some(1));
    for part in [
        "if `when` of grant publish#1 held: context.time.hour >= 8 && context.params.level == \"low\"",
        "because of context.time.hour >= 8",
        "context.time.hour = 7",
        "in audit mode, which lets nothing through, and `when` is not met",
    ] {
        assert!(stdout(&night).contains(part), "{part}: {}", stdout(&night));
    }
    assert!(!stdout(&night).contains("because of context.params"));
}

#[test]
fn a_request_is_read_from_standard_input_too() {
    use std::io::Write as _;
    let home = TempDir::new().unwrap();
    let policy = by_the_hour(&home);
    let mut child = taskpass(&["policy", "explain", "--request", "-"])
        .arg(&policy)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let request = "workload = \"spiffe://acme.example/prod/ci/1\"\ntask = \"publish\"\nparams.level = \"low\"\n\
                   time = \"2026-11-23T09:20:00Z\"\njob = { age = \"20m\", generation = 3 }\n";
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(request.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let said = stdout(&output);
    let renewal = "a renewal (generation 3), the job was opened at 2026-11-23T09:00:00Z";
    assert!(said.contains(renewal), "{said}");
}
