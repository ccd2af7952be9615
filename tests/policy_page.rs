//! The page that teaches the policy language: its files are written down, its commands are run, and they say
//! what the page says.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::support::process::BINARY;

const PAGE: &str = include_str!("../docs/policy.md");

/// The fenced blocks of the page, each with its language.
fn blocks() -> Vec<(&'static str, &'static str)> {
    let mut blocks = Vec::new();
    let mut rest = PAGE;
    while let Some((_, opened)) = rest.split_once("\n```") {
        let (language, body) = opened.split_once('\n').unwrap();
        let (body, after) = body.split_once("\n```").expect("a block that ends");
        blocks.push((language, body));
        rest = after;
    }
    blocks
}

/// Runs a command of the page as a shell would, and gives what it wrote.
fn run(home: &Path, command: &str) -> String {
    let bin = Path::new(BINARY).parent().unwrap().to_str().unwrap();
    let output = Command::new("sh")
        .args(["-c", &format!("{command} 2>&1")])
        .current_dir(home)
        .env_clear()
        .env("PATH", format!("{bin}:/usr/bin:/bin"))
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_snippet_does_what_the_page_says() {
    let home = TempDir::new().unwrap();
    let mut commands = 0;
    for (language, body) in blocks() {
        match language {
            // `# file: NAME` on the first line; the same name again adds to the file.
            "toml" | "cedar" => {
                let (first, content) = body.split_once('\n').unwrap();
                let name = first.split_once("file: ").expect(first).1;
                let path = home.path().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                let before = fs::read_to_string(&path).unwrap_or_default();
                let gap = if before.is_empty() { "" } else { "\n" };
                fs::write(path, format!("{before}{gap}{content}\n")).unwrap();
            }
            "console" => {
                let mut parts = body.split("$ ").skip(1);
                parts.by_ref().for_each(|part| {
                    let (command, expected) = part.split_once('\n').unwrap_or((part, ""));
                    commands += 1;
                    let said = run(home.path(), command);
                    assert!(
                        says(&said, expected),
                        "$ {command}\nthe page says:\n{expected}\nit says:\n{said}"
                    );
                });
            }
            other => panic!("a snippet that nobody runs: {other}"),
        }
    }
    assert!(commands >= 8, "{commands}");
}

/// Whether the output is as expected, line by line; a line that ends with `…` leaves the rest of it open.
fn says(said: &str, expected: &str) -> bool {
    let lines = |text: &str| -> Vec<String> {
        let lines = text.lines().map(|line| line.trim_end().to_owned());
        lines.filter(|line| !line.is_empty()).collect()
    };
    let (said, expected) = (lines(said), lines(expected));
    said.len() == expected.len()
        && said
            .iter()
            .zip(&expected)
            .all(|(said, expected)| match expected.strip_suffix('…') {
                Some(begin) => said.starts_with(begin),
                None => said == expected,
            })
}
