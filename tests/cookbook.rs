//! The policies to begin with: without a warning, in form, tested as a whole.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::process::BINARY;

fn cookbook() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/cookbook")
}

fn run(recipe: &Path, words: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(BINARY)
        .current_dir(recipe)
        .args(words)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[test]
fn every_recipe_is_good_in_form_and_tested_as_a_whole() {
    let recipes: Vec<PathBuf> = fs::read_dir(cookbook())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    assert!(recipes.len() >= 5);
    let index = fs::read_to_string(cookbook().join("README.md")).unwrap();
    for recipe in recipes {
        let name = recipe.file_name().unwrap().to_str().unwrap();
        assert!(
            index.contains(&format!("({name})")),
            "{name} is not in the index"
        );
        assert!(recipe.join("README.md").exists(), "{name}");
        let (code, said) = run(&recipe, &["policy", "check", "policy", "--output", "json"]);
        let report: serde_json::Value = serde_json::from_str(&said).unwrap();
        assert_eq!(
            (code, &report["findings"]),
            (Some(0), &serde_json::json!([])),
            "{name}: {said}"
        );
        // As the page says it.
        for line in index
            .lines()
            .filter_map(|line| line.strip_prefix("taskpass "))
        {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (code, said) = run(&recipe, &words);
            assert_eq!(code, Some(0), "{name}: {line}: {said}");
        }
    }
}
