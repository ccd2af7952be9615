//! What holds for every input.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

const CI: &str = "spiffe://acme.example/prod/ci/docs";
/// Pieces that policy files are made of, so that random text gets past the first line.
const PIECES: [&str; 32] = [
    "[task.a]\n",
    "[task.\"a/b\"]\n",
    "[[task.a.grant]]\n",
    "[credential.c]\n",
    "[environment.e]\n",
    "[audience.d]\n",
    "[identity.i]\n",
    "owner = \"x\"\n",
    "purpose = \"y\"\n",
    "params.p = ",
    "{ type = \"token\" }\n",
    "{ type = \"one_of\", values = [\"a\"] }\n",
    "type",
    "pattern",
    "workload = ",
    "\"spiffe://d/a\"\n",
    "\"spiffe://d/**\"\n",
    "credentials = [\"c\"]\n",
    "scopes = [\"${params.p}\"]\n",
    "ttl = \"1m\"\n",
    "issuer = \"local\"\n",
    "environment = \"any\"\n",
    "audience = \"d\"\n",
    "uri = \"u:x\"\n",
    "kind = \"agent\"\n",
    "tools = []\n",
    "[",
    "]",
    "\"",
    "=",
    "\n",
    "ä",
];

const GUARDRAILS: [&str; 6] = [
    "forbid(principal, action, resource == Task::\"deploy-docs\");",
    "forbid(principal, action, resource) when { context.time.weekday > 5 };",
    "forbid(principal, action, resource) unless { context.environment == \"prod\" };",
    "forbid(principal, action, resource) when { context.params has color };",
    "forbid(principal, action, resource) when { context.time.unix + 1000 > 0 };",
    "forbid(principal == Workload::\"spiffe://acme.example/prod/ci/docs\", action, resource);",
];

/// The sample policy, a file for each of its tables.
fn split() -> Vec<SourceFile> {
    let mut files: Vec<String> = Vec::new();
    for line in POLICY.lines() {
        let opens = line.starts_with('[') && !line.starts_with("[[");
        match files.last_mut() {
            Some(last) if !opens => {
                last.push_str(line);
                last.push('\n');
            }
            Some(_) | None => files.push(format!("{line}\n")),
        }
    }
    let name = |(number, text): (usize, String)| {
        SourceFile::new(format!("{number}.toml"), text.into_bytes())
    };
    files.into_iter().enumerate().map(name).collect()
}

/// The same, and some guardrails, a file for each.
fn guarded() -> impl Strategy<Value = Vec<SourceFile>> {
    let some = proptest::sample::subsequence(&GUARDRAILS[..], 0..=GUARDRAILS.len());
    some.prop_map(|guardrails| {
        let name = |(number, text): (usize, &str)| {
            SourceFile::new(format!("{number}.cedar"), text.as_bytes().to_vec())
        };
        let guardrails = guardrails.into_iter().enumerate().map(name);
        split().into_iter().chain(guardrails).collect()
    })
}

fn requests() -> impl Strategy<Value = (String, String, BTreeMap<String, String>)> {
    let subject = "spiffe://acme[.]example/(prod|dev|shared|test)/(ci|agents)/(docs|a|a/b)";
    let task = "(deploy-docs|agent/answer|other)";
    let value = "(refs/heads/main|refs/heads/release/1|blue|green|[ -~]{0,6})";
    let parameters = proptest::collection::btree_map("(ref|color|note|x)", value, 0..3);
    (subject, task, parameters)
}

fn wanted() -> impl Strategy<Value = Vec<Wanted>> {
    let scope = "(docs:read|repo:refs/heads/main|repo:refs/heads/release/1|x)";
    let one = (
        "(docs-api|dev-api|tickets-api|x)",
        proptest::collection::vec(scope, 0..3),
        proptest::option::of((1_u64..2000).prop_map(Duration::from_secs)),
    );
    let one = one.prop_map(|(name, scopes, lifetime)| Wanted {
        name,
        scopes,
        lifetime,
    });
    proptest::collection::vec(one, 0..3)
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
        let file = SourceFile::new("a.toml", bytes);
        let _ = Policy::compile(std::slice::from_ref(&file), &installation());
        let _ = Installation::parse(&file);
    }

    #[test]
    fn no_pieces_make_the_reader_panic(
        pieces in proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..40),
    ) {
        let file = SourceFile::new("a.toml", pieces.concat().into_bytes());
        match Policy::compile(std::slice::from_ref(&file), &installation()) {
            Ok(policy) => prop_assert!(policy.warnings().iter().all(|w| w.severity == Severity::Warning)),
            Err(findings) => prop_assert!(findings.iter().any(|f| f.severity == Severity::Error)),
        }
    }

    #[test]
    fn a_changed_byte_of_the_sample_never_panics(at in 0..POLICY.len(), byte: u8) {
        let mut bytes = POLICY.as_bytes().to_vec();
        bytes[at] = byte;
        let file = SourceFile::new("a.toml", bytes);
        let text = String::from_utf8_lossy(&file.bytes).into_owned();
        if let Err(findings) = Policy::compile(std::slice::from_ref(&file), &installation()) {
            for finding in findings {
                let lines = text.split('\n').count();
                prop_assert!((1..=lines).contains(&finding.place.line), "{}", finding);
            }
        }
    }

    #[test]
    fn neither_hash_nor_decision_depends_on_the_order_of_files(
        (files, shuffled) in guarded().prop_flat_map(|files| (Just(files.clone()), Just(files).prop_shuffle())),
        (subject, task, parameters) in requests(),
        wanted in wanted(),
    ) {
        let [one, other] = [files, shuffled].map(|files| Policy::compile(&files, &installation()).unwrap());
        prop_assert_eq!(one.hash(), other.hash());
        let request = Request {
            subject: &subject.parse().unwrap(),
            task: &task,
            parameters: &parameters,
            wanted: &wanted,
            circumstances: &at(NOON),
        };
        prop_assert_eq!(one.decide(&request), other.decide(&request));
    }

    #[test]
    fn more_guardrails_never_allow_more(
        few in proptest::sample::subsequence(&GUARDRAILS[..], 0..3),
        more in proptest::sample::subsequence(&GUARDRAILS[..], 0..=GUARDRAILS.len()).prop_shuffle(),
        (subject, task, parameters) in requests(),
        seconds in 0_u64..4_000_000_000,
    ) {
        let guarded = |guardrails: Vec<&str>| {
            let file = guardrails.join("\n");
            compile(&[("a.toml", POLICY), ("b.cedar", &file)]).unwrap()
        };
        let request = Request {
            subject: &subject.parse().unwrap(),
            task: &task,
            parameters: &parameters,
            wanted: &[],
            circumstances: &at(seconds),
        };
        let all: Vec<_> = few.iter().chain(more.iter().filter(|one| !few.contains(one))).copied().collect();
        let (few, all) = (guarded(few).decide(&request), guarded(all).decide(&request));
        if let Ok(allowed) = all.allowed() {
            prop_assert_eq!(Ok(allowed), few.allowed());
        }
    }

    #[test]
    fn no_text_makes_conditions_or_guardrails_panic(text in "[ -~]{0,60}|(context|[.]|params|has|ref|==|\"a\"|&&|[(]|[)]|!|1| ){0,30}") {
        let grant = format!("unless = \"\"\"{}\"\"\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        let _ = compile(&[("a.toml", &POLICY.replacen("max_live_jobs = 3", &grant, 1))]);
        let _ = compile(&[("a.toml", POLICY), ("b.cedar", &text)]);
        let _ = compile(&[("a.toml", POLICY), ("b.cedar", &format!("forbid(principal, action, resource) when {{ {text} }};"))]);
    }

    #[test]
    fn asking_for_less_never_gives_more(
        (subject, task, parameters) in requests(),
        wanted in wanted(),
    ) {
        let policy = policy(POLICY);
        let request = Request {
            subject: &subject.parse().unwrap(),
            task: &task,
            parameters: &parameters,
            wanted: &[],
            circumstances: &at(NOON),
        };
        let whole = policy.decide(&request);
        let narrow = policy.decide(&Request { wanted: &wanted, ..request });
        let Ok(narrow) = narrow.allowed() else { return Ok(()) };
        let whole = whole.allowed().unwrap();
        for permitted in &narrow.credentials {
            let granted = whole.credentials.iter().find(|c| c.name == permitted.name).unwrap();
            let scopes: BTreeSet<_> = granted.scopes.iter().collect();
            prop_assert!(permitted.scopes.iter().all(|scope| scopes.contains(scope)));
            prop_assert!(permitted.ttl <= granted.ttl);
            prop_assert!(permitted.ttl >= Duration::from_secs(1));
            prop_assert_eq!(&permitted.audience, &granted.audience);
            let asked = wanted.iter().find(|want| *want.name == *permitted.name);
            if let Some(lifetime) = asked.and_then(|want| want.lifetime) {
                prop_assert!(permitted.ttl <= lifetime);
            }
        }
        prop_assert!(narrow.max_duration <= whole.max_duration);
    }

    #[test]
    fn every_scope_that_comes_out_is_one_token(value in "\\PC{0,12}|refs/heads/[a-z]{1,4}.{0,3}") {
        let open = POLICY.replace(", pattern = \"refs/heads/(main|release/[a-z0-9.-]+)\"", "");
        let decision = decide(&policy(&open), CI, "deploy-docs", &[("ref", &value)], &[]);
        for permitted in decision.allowed().map(|a| a.credentials.clone()).unwrap_or_default() {
            for scope in permitted.scopes {
                prop_assert!(scope.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\'));
                let expected = ["docs:read".to_owned(), format!("repo:{value}")];
 prop_assert!(expected.contains(&scope));
            }
        }
    }
}

#[test]
fn the_hash_is_of_contents_and_not_of_names() {
    let of = |files: &[(&str, &str)]| compile(files).unwrap().hash();
    let facts = |name: &str, content: &str| {
        let facts = Installation::parse(&SourceFile::new(name, content.as_bytes())).unwrap();
        Policy::compile(&[SourceFile::new("a.toml", POLICY.as_bytes())], &facts)
            .unwrap()
            .hash()
    };
    let stricter = INSTALLATION.replace("8h", "7h");
    assert_eq!(
        facts("installation.toml", INSTALLATION),
        facts("other.toml", INSTALLATION)
    );
    assert_ne!(
        facts("installation.toml", INSTALLATION),
        facts("installation.toml", &stricter)
    );
    let more = "[audience.more]\nuri = \"https://more.acme.example\"\n";
    assert_eq!(of(&[("a.toml", POLICY)]), of(&[("b.toml", POLICY)]));
    assert_ne!(
        of(&[("a.toml", POLICY)]),
        of(&[("a.toml", POLICY), ("b.toml", more)])
    );
    assert_eq!(
        of(&[("a.toml", POLICY), ("b.toml", more)]),
        of(&[("a.toml", more), ("b.toml", POLICY)])
    );
    assert_ne!(
        of(&[("a.toml", POLICY), ("b.toml", "")]),
        of(&[("a.toml", POLICY)])
    );
}

#[test]
fn a_pattern_with_an_alternation_lets_no_longer_value_in() {
    let text = POLICY.replace("refs/heads/(main|release/[a-z0-9.-]+)", "main|release");
    let policy = policy(&text);
    for (value, is_let_in) in [
        ("main", true),
        ("release", true),
        ("main/x", false),
        ("x/release", false),
        ("mainrelease", false),
    ] {
        let decision = decide(&policy, CI, "deploy-docs", &[("ref", value)], &[]);
        assert_eq!(decision.allowed().is_ok(), is_let_in, "{value}");
    }
}
