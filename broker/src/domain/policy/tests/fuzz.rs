//! Real policies, damaged: whatever comes in, findings point into their files, and the canonical form says the
//! same. `PROPTEST_CASES=100000 cargo test -p taskpass-broker --release --lib fuzz` tries that many.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::domain::policy::tools::format::format;

const SEEDS: [&str; 8] = [
    include_str!("../../../../../examples/policy/agent-tools.toml"),
    include_str!("../../../../../examples/policy/ci.toml"),
    include_str!("../../../../../examples/policy/deploy-docs.toml"),
    include_str!("../../../../../examples/policy/shared.toml"),
    include_str!("../../../../../examples/cookbook/coding-agent/policy/agent.toml"),
    include_str!("../../../../../examples/cookbook/operator/policy/databases.toml"),
    include_str!("../../../../../examples/cookbook/releases/policy/releases.toml"),
    POLICY,
];
const GUARDRAILS: [&str; 2] = [
    include_str!("../../../../../examples/policy/guardrails.cedar"),
    "@id(\"a\")\nforbid(principal, action, resource == Task::\"deploy-docs\") when { context.params has color && context.params.color == \"blue\" };\n",
];
/// What is put in.
const PIECES: [&str; 40] = [
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "\"",
    "'",
    "'''",
    "\\",
    "=",
    ",",
    ".",
    "\n",
    "\r\n",
    "\r",
    "\t",
    " ",
    "#",
    "\u{feff}",
    "\u{a0}",
    "\0",
    "ä",
    "\u{202e}",
    "“",
    "${",
    "${params.x}",
    "**",
    "*",
    "/",
    "-1",
    "99999999999999999999",
    "1h",
    "1979-05-27",
    "true",
    "when = 'true'\n",
    "unless = 'context.params has x'\n",
    "&& ",
    "==",
    ";",
];

/// One change of a text: where, how much is taken out, and what is put in.
#[derive(Debug, Clone)]
enum Edit {
    Replace(Index, usize, &'static str),
    Repeat(Index, Index, usize),
    Splice(Index, usize, Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    let piece = prop::sample::select(&PIECES[..]);
    prop_oneof![
        (any::<Index>(), 0..40_usize, piece.clone())
            .prop_map(|(at, cut, piece)| Edit::Replace(at, cut, piece)),
        (any::<Index>(), 0..2_usize, piece)
            .prop_map(|(at, cut, piece)| Edit::Replace(at, cut, piece)),
        (any::<Index>(), any::<Index>(), 1..200_usize)
            .prop_map(|(from, to, len)| Edit::Repeat(from, to, len)),
        (any::<Index>(), 0..SEEDS.len(), any::<Index>())
            .prop_map(|(at, seed, from)| Edit::Splice(at, seed, from)),
    ]
}

fn apply(text: &mut String, edit: &Edit) {
    let boundary = |text: &str, at: usize| {
        (0..=at.min(text.len()))
            .rev()
            .find(|at| text.is_char_boundary(*at))
            .unwrap()
    };
    let place = |text: &str, at: &Index| boundary(text, at.index(text.len() + 1));
    match edit {
        Edit::Replace(at, cut, piece) => {
            let start = place(text, at);
            let end = boundary(text, start + cut).max(start);
            text.replace_range(start..end, piece);
        }
        Edit::Repeat(from, to, len) => {
            let start = place(text, from);
            let end = boundary(text, start + len).max(start);
            let part = text.get(start..end).unwrap().to_owned();
            let to = place(text, to);
            text.insert_str(to, &part);
        }
        Edit::Splice(at, seed, from) => {
            let start = place(SEEDS[*seed], from);
            let end = boundary(SEEDS[*seed], start + 120);
            let at = place(text, at);
            text.insert_str(at, SEEDS[*seed].get(start..end).unwrap());
        }
    }
}

/// Whether each finding, and what it tells to change, lies in its file.
fn points_into(files: &[SourceFile], findings: &[Diagnostic]) {
    for finding in findings {
        let text_of = |name: &str| {
            let file = files.iter().find(|file| &*file.name == name).unwrap();
            std::str::from_utf8(&file.bytes).ok()
        };
        let places = [
            Some(&finding.place),
            finding.fix.as_ref().map(|fix| &fix.place),
        ];
        for place in places
            .into_iter()
            .flatten()
            .chain(finding.related.iter().map(|r| &r.place))
        {
            if let Some(text) = text_of(&place.file) {
                assert!(text.get(place.span.clone()).is_some(), "{finding}\n{text}");
            }
            assert!(place.line > 0 && place.column > 0);
        }
        assert!(!finding.message.contains('\n'), "{finding}");
    }
}

fn check(name: &str, text: &str) {
    let files = [
        SourceFile::new("shared.toml", SEEDS[3].as_bytes()),
        SourceFile::new(name, text.as_bytes()),
    ];
    let outcome = Policy::compile(&files, &installation());
    match &outcome {
        Ok(policy) => points_into(&files, policy.warnings()),
        Err(findings) => {
            points_into(&files, findings);
            assert!(findings.iter().any(|one| one.severity == Severity::Error));
        }
    }
    let Ok(formed) = format(text) else { return };
    assert_eq!(format(&formed).unwrap(), formed, "the form of\n{text}");
    let files = [files[0].clone(), SourceFile::new(name, formed.as_bytes())];
    let messages = |outcome: Result<Policy, Vec<Diagnostic>>| {
        let findings =
            outcome.map_or_else(|findings| findings, |policy| policy.warnings().to_vec());
        let mut messages: Vec<_> = findings.into_iter().map(|one| one.message).collect();
        messages.sort();
        messages
    };
    if !files[1].is_guardrails() && outcome.is_ok() {
        let after = Policy::compile(&files, &installation());
        assert!(after.is_ok(), "{formed}");
        assert_eq!(
            messages(outcome),
            messages(after),
            "{text}\nformed:\n{formed}"
        );
    }
}

proptest! {
    #[test]
    fn a_damaged_policy_is_refused_or_means_something(
        seed in 0..SEEDS.len(),
        edits in prop::collection::vec(edit(), 0..5),
    ) {
        let mut text = SEEDS[seed].to_owned();
        for edit in &edits {
            apply(&mut text, edit);
        }
        check("policy.toml", &text);
    }

    #[test]
    fn a_damaged_guardrail_is_refused_or_means_something(
        seed in 0..GUARDRAILS.len(),
        edits in prop::collection::vec(edit(), 0..4),
    ) {
        let mut text = GUARDRAILS[seed].to_owned();
        for edit in &edits {
            apply(&mut text, edit);
        }
        check("guardrails.cedar", &text);
    }
}

/// Inputs that once went wrong.
#[test]
fn what_was_found_stays_mended() {
    for text in [
        "",
        "\u{feff}",
        "[task]\n",
        "[task.\"a\"]\ngrant = []\n",
        "task = [1",
        "[credentials]\n",
        "a = [\n# [x]\n",
        "forbid(principal, action, resource) when { true \"\n\" };",
    ] {
        check("policy.toml", text);
        check("guardrails.cedar", text);
    }
}
