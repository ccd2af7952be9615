//! Files beside a policy that are no part of it.

use std::fs;
use std::path::{Path, PathBuf};

use super::walk::{Found, walk};

/// Files that are told to be passed over.
const MAX_PASSED_OVER: usize = 20;

/// Files below a directory that are no part of the policy, and by their names might be meant to be: copies,
/// switched-off files, other formats. At most a few, in the order of their paths.
pub fn passed_over(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let visited = walk(directory, &mut |entry| {
        let path = match entry {
            Found::File(path) | Found::Hidden(path) => path,
            Found::Problem(_) => return,
        };
        if found.len() < MAX_PASSED_OVER && looks_like_policy(&path) && is_file(&path) {
            found.push(path);
        }
    });
    // What is too much to be looked through is told by whoever reads the policy.
    drop(visited);
    found.sort();
    found
}

fn is_file(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file())
}

/// Whether a name that is passed over may be meant to be that of a policy file.
fn looks_like_policy(path: &Path) -> bool {
    const FORMATS: [&str; 7] = ["json", "txt", "hcl", "rego", "conf", "cfg", "ini"];
    const BYSTANDERS: [&str; 8] = [
        "README",
        "LICENSE",
        "NOTICE",
        "OWNERS",
        "CODEOWNERS",
        "Makefile",
        "Justfile",
        "BUILD",
    ];
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = &*name;
    let ending = path.extension().and_then(|ending| ending.to_str());
    let is_read = !name.starts_with('.') && matches!(ending, Some("toml" | "cedar"));
    if is_read {
        return false;
    }
    if name.contains(".toml") || name.contains(".cedar") {
        return true;
    }
    match name.rsplit_once('.') {
        Some((before, ending)) => !before.is_empty() && FORMATS.contains(&ending),
        None => !BYSTANDERS.contains(&name),
    }
}
