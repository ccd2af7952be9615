//! `policy check`: policy files before they are let in.

use tempfile::TempDir;

use super::{stderr, stdout, taskpass};

#[test]
fn files_that_are_not_there_are_a_bad_input_with_what_to_try() {
    let home = TempDir::new().unwrap();
    let policy = home.path().join("policy");
    for command in ["check", "test", "explain"] {
        let mut line = taskpass(&["policy", command]);
        line.arg(&policy);
        if command == "explain" {
            line.args(["--workload", "spiffe://acme.example/a", "--task", "t"]);
        }
        let output = line.output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        let why = format!("cannot read `{}`: No such file", policy.display());
        assert!(
            said.contains(&why) && !said.contains("installation"),
            "{said}"
        );
    }
    std::fs::create_dir(&policy).unwrap();
    let check = || {
        let output = taskpass(&["policy", "check"])
            .arg(&policy)
            .output()
            .unwrap();
        assert_eq!((output.status.code(), stdout(&output)), (Some(2), ""));
        stderr(&output).to_owned()
    };
    let said = check();
    assert!(
        said.contains("installation.toml") && said.contains("--installation"),
        "{said}"
    );
    std::fs::write(home.path().join("installation.toml"), "").unwrap();
    let said = check();
    assert!(said.contains("is this the policy directory?"), "{said}");
}

#[test]
fn mistakes_of_every_file_are_told_at_once() {
    let home = TempDir::new().unwrap();
    let policy = home.path().join("policy");
    std::fs::create_dir(&policy).unwrap();
    let write = |name: &str, text: &str| std::fs::write(home.path().join(name), text).unwrap();
    write(
        "installation.toml",
        "max_ttl = 3600\nmax_duration = \"8h\"\n[issuer.local]\nkind = \"jwt\"\n",
    );
    write(
        "policy/a.toml",
        "[task.a]\nowner = \"a@acme.example\"\npurpose = 5\n",
    );
    write(
        "policy/a.test.toml",
        "[[test]]\nname = \"x\"\ngiven.task = \"a\"\n",
    );
    let found = || {
        let output = taskpass(&["policy", "check", "--output", "json"])
            .arg(&policy)
            .output()
            .unwrap();
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let findings = report["findings"].as_array().unwrap();
        let mut files: Vec<_> = findings
            .iter()
            .map(|finding| {
                finding["file"]
                    .as_str()
                    .unwrap()
                    .rsplit('/')
                    .next()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        files.dedup();
        (output.status.code(), files.join(" "))
    };
    assert_eq!(
        found(),
        (Some(2), "installation.toml a.toml a.test.toml".to_owned())
    );
    write(
        "installation.toml",
        "max_ttl = \"1h\"\nmax_duration = \"8h\"\n[issuer.local]\nkind = \"jwt\"\n",
    );
    write(
        "policy/a.toml",
        "[task.a]\nowner = \"a@acme.example\"\npurpose = \"x\"\n",
    );
    let (code, files) = found();
    assert_eq!(
        code,
        Some(2),
        "a test that is none keeps a policy from being good"
    );
    assert!(files.ends_with("a.test.toml"), "{files}");
}

#[test]
fn an_installation_file_in_the_wrong_place_is_told_where_it_lies() {
    let home = TempDir::new().unwrap();
    std::fs::create_dir(home.path().join("policy")).unwrap();
    std::fs::write(home.path().join("installation.toml"), "").unwrap();
    let said = |directory: &std::path::Path| {
        let output = taskpass(&["policy", "check"])
            .arg(directory)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        stderr(&output).to_owned()
    };
    // One directory too high.
    let high = said(home.path());
    assert!(
        high.contains("name the policy directory itself") && high.contains("/policy`"),
        "{high}"
    );
    std::fs::rename(
        home.path().join("installation.toml"),
        home.path().join("policy/installation.toml"),
    )
    .unwrap();
    let inside = said(&home.path().join("policy"));
    assert!(inside.contains("move it beside"), "{inside}");
}
