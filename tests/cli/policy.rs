//! `policy check`: policy files before they are let in.

use tempfile::TempDir;

use super::{stderr, stdout, taskpass};

#[test]
fn files_that_are_not_there_are_a_bad_input_with_what_to_try() {
    let home = TempDir::new().unwrap();
    let policy = home.path().join("policy");
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
