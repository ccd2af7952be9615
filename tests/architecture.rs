//! The direction of imports, as ARCHITECTURE.md draws it, read from the sources.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Which rooms of the broker a room may look into.
const BROKER: [(&str, &[&str]); 8] = [
    ("domain", &[]),
    ("ports", &["domain"]),
    ("operations", &["domain", "ports"]),
    ("adapters", &["domain", "ports"]),
    ("config", &["domain", "ports", "adapters"]),
    ("grpc", &["domain", "ports", "operations", "app"]),
    (
        "http",
        &["domain", "ports", "operations", "adapters", "app"],
    ),
    (
        "app",
        &[
            "domain",
            "ports",
            "operations",
            "adapters",
            "config",
            "grpc",
            "http",
        ],
    ),
];

/// What the domain must not know.
const IMPURE: [&str; 8] = [
    "tokio",
    "tonic",
    "axum",
    "hyper",
    "std::fs",
    "std::env",
    "std::net",
    "SystemTime",
];

#[test]
fn arrows_inside_the_broker_point_inwards() {
    let mut wrong = Vec::new();
    for (room, may) in BROKER {
        for file in sources(&format!("broker/src/{room}")) {
            for other in BROKER
                .iter()
                .map(|(other, _)| *other)
                .filter(|other| *other != room)
            {
                let looks = code(&file).contains(&format!("crate::{other}::"))
                    || code(&file).contains(&format!("crate::{other}}}"));
                if looks && !may.contains(&other) {
                    wrong.push(format!("{}: looks into `{other}`", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_room_of_the_broker_has_its_arrows_drawn() {
    let rooms: Vec<String> = fs::read_dir(root().join("broker/src"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    for room in rooms {
        assert!(
            BROKER.iter().any(|(known, _)| *known == room),
            "`{room}` is not drawn"
        );
    }
}

#[test]
fn the_domain_is_pure() {
    let mut wrong = Vec::new();
    for file in sources("broker/src/domain") {
        for word in IMPURE.iter().filter(|word| code(&file).contains(*word)) {
            wrong.push(format!("{}: knows `{word}`", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn crates_depend_in_one_direction() {
    let may: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("proto", &[][..]),
        ("identity", &[]),
        ("broker", &["proto", "identity"]),
        ("agent", &["proto", "identity"]),
        ("verifier", &["proto", "identity"]),
        ("cli", &["proto", "identity", "broker", "agent", "verifier"]),
    ]);
    for (name, may) in &may {
        let manifest = fs::read_to_string(root().join(name).join("Cargo.toml")).unwrap();
        let others = ["proto", "identity", "broker", "agent", "verifier", "cli"];
        for other in others.into_iter().filter(|other| other != name) {
            let depends = manifest
                .lines()
                .any(|line| line.starts_with(&format!("taskpass-{other}")));
            assert!(
                !depends || may.contains(&other),
                "`{name}` depends on `{other}`"
            );
        }
    }
}

#[test]
fn every_test_that_the_security_page_names_is_there() {
    let page = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let mut code_of_all = String::new();
    for place in [
        "proto", "identity", "broker", "agent", "verifier", "cli", "tests",
    ] {
        for file in sources(place) {
            code_of_all.push_str(&code(&file));
        }
    }
    let quoted = page.split('`').skip(1).step_by(2);
    let names = quoted
        .filter_map(|text| text.rsplit("::").next())
        .filter(|name| {
            let letters = name
                .chars()
                .all(|c| c.is_ascii_lowercase() || matches!(c, '_' | '…'));
            letters && name.contains('_')
        });
    let missing: Vec<&str> = names
        .filter(|name| !code_of_all.contains(&format!("fn {}", name.trim_end_matches('…'))))
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

/// A file without its comments: words in prose are no imports.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

fn sources(below: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(below)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "nothing found below `{below}`");
    found
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}
