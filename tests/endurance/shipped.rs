//! What is in the tests' program and never in the shipped one.

use std::process::Command;

fn features(edges: &str) -> String {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--locked",
            "-p",
            "taskpass",
            "-e",
            edges,
        ])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_points_at_which_tests_kill_are_not_in_the_shipped_program() {
    assert!(features("features").contains("crash-points"));
    assert!(!features("features,no-dev").contains("crash-points"));
}
