//! Mistakes that operators make: each found, in its place, with what to write instead.

use std::fmt::Write as _;

use super::*;
use crate::domain::policy::Fix;

mod cedar;
mod doubts;
mod sample;
mod table;

use cedar::{CONDITIONS, GUARDRAILS as WRONG_GUARDRAILS};
use doubts::{DOUBTS, GUARDRAILS as DOUBTFUL_GUARDRAILS};
use sample::POLICY;
use table::MISTAKES;

/// A `text` parameter in a scope needs two changes, a `one_of` value with a space another two.
fn in_scope(text: &str) -> String {
    if text.contains("light green") {
        text.replace("scopes = []", "scopes = [\"${params.color}\"]")
    } else if text.contains("params.note = { type = \"text\" }") {
        text.replace("scopes = []", "scopes = [\"${params.note}\"]")
    } else {
        text.to_owned()
    }
}

/// The files after a finding's own change, as it is told.
fn mended(files: &[(&str, &str)], fix: &Fix) -> Vec<(String, String)> {
    let mend = |(name, text): &(&str, &str)| {
        let mut text = (*text).to_owned();
        if *name == &*fix.place.file {
            text.replace_range(fix.place.span.clone(), &fix.replacement);
        }
        ((*name).to_owned(), text)
    };
    files.iter().map(mend).collect()
}

fn findings(files: &[(&str, &str)]) -> Vec<Diagnostic> {
    match compile(files) {
        Ok(policy) => policy.warnings().to_vec(),
        Err(findings) => findings,
    }
}

/// Applies each change that is told, alone: what it mends is gone, and nothing else appears.
fn fixes_work(files: &[(&str, &str)], found: &[Diagnostic]) -> String {
    let mut broken = String::new();
    let key = |finding: &Diagnostic| (finding.severity, finding.message.clone());
    for finding in found {
        let Some(fix) = &finding.fix else { continue };
        let text = mended(files, fix);
        let text: Vec<_> = text.iter().map(|(n, t)| (n.as_str(), t.as_str())).collect();
        let mut before: Vec<_> = found.iter().map(key).collect();
        let at = before.iter().position(|one| *one == key(finding)).unwrap();
        before.remove(at);
        for left in findings(&text) {
            let at = before.iter().position(|one| *one == key(&left));
            match at {
                Some(at) => {
                    before.remove(at);
                }
                // What could not be read is doubted once it can be.
                None if finding.severity == Severity::Error
                    && left.severity == Severity::Warning => {}
                None => writeln!(broken, "after {finding}\n  there is {left}").unwrap(),
            }
        }
    }
    broken
}

fn has_remedies(found: &[Diagnostic]) {
    for finding in found {
        assert!(finding.help.is_some(), "no remedy: {finding}");
    }
}

#[test]
fn every_mistake_is_found_in_its_place_with_a_remedy() {
    let (mut shown, mut broken) = (String::new(), String::new());
    for (right, wrong) in MISTAKES {
        assert!(POLICY.contains(right), "the sample has no {right:?}");
        let text = in_scope(&POLICY.replacen(right, wrong, 1));
        let files = [("policy.toml", text.as_str())];
        let findings = compile(&files).expect_err(wrong);
        assert!(
            findings.iter().any(|f| f.severity == Severity::Error),
            "{wrong}"
        );
        has_remedies(&findings);
        broken += &fixes_work(&files, &findings);
        writeln!(shown, "{right}\n=> {wrong}\n{}", lines(&findings)).unwrap();
    }
    assert_eq!(broken, "");
    insta::assert_snapshot!(shown);
}

#[test]
fn every_mistake_in_a_condition_is_found_in_its_place_with_a_remedy() {
    let (mut shown, mut broken) = (String::new(), String::new());
    for condition in CONDITIONS {
        let text = POLICY.replacen("max_live_jobs = 3", &format!("when = '{condition}'"), 1);
        let files = [("policy.toml", text.as_str())];
        let findings = compile(&files).expect_err(condition);
        has_remedies(&findings);
        broken += &fixes_work(&files, &findings);
        writeln!(shown, "{condition}\n{}", lines(&findings)).unwrap();
    }
    assert_eq!(broken, "");
    insta::assert_snapshot!(shown);
}

#[test]
fn every_mistake_in_a_guardrail_is_found_in_its_place_with_a_remedy() {
    let (mut shown, mut broken) = (String::new(), String::new());
    for guardrail in WRONG_GUARDRAILS {
        let files = [("policy.toml", POLICY), ("g.cedar", guardrail)];
        let findings = compile(&files).expect_err(guardrail);
        has_remedies(&findings);
        broken += &fixes_work(&files, &findings);
        writeln!(shown, "{guardrail}\n{}", lines(&findings)).unwrap();
    }
    assert_eq!(broken, "");
    insta::assert_snapshot!(shown);
}

#[test]
fn what_is_doubtful_is_a_warning() {
    let (mut shown, mut broken) = (String::new(), String::new());
    for (right, doubtful) in DOUBTS {
        assert!(POLICY.contains(right), "the sample has no {right:?}");
        let text = POLICY.replacen(right, doubtful, 1);
        let files = [("policy.toml", text.as_str())];
        let policy = policy(&text);
        assert!(!policy.warnings().is_empty(), "{doubtful}");
        has_remedies(policy.warnings());
        broken += &fixes_work(&files, policy.warnings());
        writeln!(
            shown,
            "{right}\n=> {doubtful}\n{}",
            coded(policy.warnings())
        )
        .unwrap();
    }
    for guardrail in DOUBTFUL_GUARDRAILS {
        let policy = compile(&[("policy.toml", POLICY), ("g.cedar", guardrail)]).unwrap();
        writeln!(shown, "{guardrail}\n{}", coded(policy.warnings())).unwrap();
    }
    assert_eq!(broken, "");
    insta::assert_snapshot!(shown);
}

/// One line for each, after its name.
fn coded(findings: &[Diagnostic]) -> String {
    let line = |finding: &Diagnostic| format!("[{}] {finding}\n", finding.lint.unwrap());
    findings.iter().map(line).collect()
}

#[test]
fn the_sample_has_no_mistake() {
    assert_eq!(lines(policy(POLICY).warnings()), "");
}

#[test]
fn a_name_that_two_files_declare_is_told_with_both_places() {
    let findings = compile(&[
        (
            "b.toml",
            "\n[audience.docs]\nuri = \"https://b.acme.example\"\n",
        ),
        ("a.toml", POLICY),
    ]);
    assert_eq!(
        lines(&findings.unwrap_err()),
        "b.toml:2:11: error: audience `docs` is declared twice (see a.toml:56:11: first declared here) \
         (help: keep one of them, or give one another name)\n"
    );
}

#[test]
fn everything_wrong_is_told_at_once() {
    let text = "[task.a]\nowner = 1\nwhat = 2\n[[task.a.grant]]\ncredentials = [\"x\"]\n[credential.y]\nttl = \"x\"\n";
    let findings = compile(&[("a.toml", text), ("b.toml", "[task.B]\n")]).unwrap_err();
    insta::assert_snapshot!(lines(&findings));
}

#[test]
fn what_a_broken_file_may_declare_is_not_missed_elsewhere() {
    let findings = compile(&[("a.toml", POLICY), ("b.toml", "= 1")]).unwrap_err();
    assert!(
        findings
            .iter()
            .all(|finding| &*finding.place.file == "b.toml"),
        "{}",
        lines(&findings)
    );
    let grants_of_c = "[[task.deploy-docs.grant]]\nworkload = \"spiffe://d/a\"\ncredentials = [\"of-c\"]\n[credential.docs-api]";
    let text = POLICY.replacen("[credential.docs-api]", grants_of_c, 1);
    let findings = compile(&[("a.toml", &text), ("c.toml", "[credential.of-c\n")]).unwrap_err();
    assert!(
        findings
            .iter()
            .all(|finding| &*finding.place.file == "c.toml"),
        "{}",
        lines(&findings)
    );
}

#[test]
fn what_a_mistake_elsewhere_hides_is_not_missed_in_conditions() {
    let guardrails = "forbid(principal, action, resource == Task::\"of-b\") when { context.params.b == \"1\" };\n\
                      forbid(principal, action, resource) when { context.params has size && context.params.size == \"1\" };\n\
                      forbid(principal, action, resource) when { context.environment == \"stage\" };";
    let text = POLICY.replacen(
        "max_live_jobs = 3",
        "when = 'context.params.size == \"1\" && context.environment != \"stage\"'",
        1,
    );
    let with_bad_parameter = text.replacen(
        "params.note",
        "params.size = { type = \"x\" }\nparams.note",
        1,
    );
    let with_parameter = text.replacen(
        "params.note",
        "params.size = { type = \"one_of\", values = [\"1\"] }\nparams.note",
        1,
    );
    for (files, wrong) in [
        (
            [
                ("a.toml", &*with_parameter),
                ("b.toml", "[task.of-b\n"),
                ("g.cedar", guardrails),
            ],
            "b.toml",
        ),
        (
            [
                ("a.toml", &with_bad_parameter),
                (
                    "b.toml",
                    "[environment.stage]\nworkloads = [\"spiffe://acme.example/stage/*\"]\n",
                ),
                (
                    "g.cedar",
                    "forbid(principal, action, resource) when { context.params has size && context.params.size == \"1\" };",
                ),
            ],
            "a.toml:7:",
        ),
    ] {
        let findings = compile(&files).unwrap_err();
        let [one] = findings.as_slice() else {
            panic!("{}", lines(&findings))
        };
        assert!(one.to_string().starts_with(wrong), "{one}");
    }
}

#[test]
fn a_guardrail_cannot_be_evaded_by_giving_a_parameter_another_type() {
    let guardrail = "forbid(principal, action, resource)\nwhen { context has params.color && context.params.color == \"blue\" || context.risk.exposed };";
    let other = |kind: &str| {
        format!(
            "[task.other]\nowner = \"docs@acme.example\"\npurpose = \"x\"\nparams.color = {{ {kind} }}\n\
             [[task.other.grant]]\nworkload = \"spiffe://acme.example/prod/ci/*\"\ncredentials = [\"ci-cache\"]\n"
        )
    };
    let compiled = |kind: &str| {
        compile(&[
            ("a.toml", POLICY),
            ("b.toml", &other(kind)),
            ("g.cedar", guardrail),
        ])
    };
    assert!(compiled("type = \"one_of\", values = [\"blue\"]").is_ok());
    let findings = compiled("type = \"boolean\"").unwrap_err();
    let [error] = findings.as_slice() else {
        panic!("{}", lines(&findings))
    };
    assert!(error.to_string().starts_with("g.cedar:2:"), "{error}");
    assert!(
        error.message.contains("`color` has different types"),
        "{error}"
    );
}

#[test]
fn text_that_is_not_what_it_looks_like_is_refused() {
    for (hidden, place) in [
        ('\u{202e}', "a.toml:3:16"),
        ('\u{200b}', "a.toml:3:16"),
        ('\u{2066}', "a.toml:3:16"),
        ('\u{ad}', "a.toml:3:16"),
        ('\u{fe0f}', "a.toml:3:16"),
        ('\u{e0041}', "a.toml:3:16"),
    ] {
        let text = POLICY.replacen(
            "docs-platform@acme.example",
            &format!("docs-p{hidden}latform@acme.example"),
            1,
        );
        let findings = compile(&[("a.toml", &text)]).unwrap_err();
        let [error] = findings.as_slice() else {
            panic!("{}", lines(&findings))
        };
        assert!(error.to_string().starts_with(place), "{error}");
        assert!(
            error
                .message
                .contains(&format!("U+{:04X}", u32::from(hidden))),
            "{error}"
        );
        assert_eq!(fixes_work(&[("a.toml", &text)], &findings), "");
        let guardrail = format!(
            "// {hidden}\nforbid(principal, action, resource) when {{ context.risk.exposed }};"
        );
        assert!(compile(&[("a.toml", POLICY), ("g.cedar", &guardrail)]).is_err());
    }
    assert!(
        compile(&[("a.toml", &format!("\u{feff}{POLICY}"))]).is_ok(),
        "a mark of the encoding"
    );
}

#[test]
fn a_comment_of_a_guardrail_ends_where_every_editor_ends_it() {
    let guardrail = |end: &str| {
        format!(
            "forbid(principal, action, resource)\nwhen {{ context.risk.exposed // outside of hours{end}|| context.risk.elevated }};"
        )
    };
    for (end, is_good) in [
        ("\n", true),
        ("\r\n", true),
        ("\r", false),
        ("\u{2028}\n", false),
        ("\u{85}\n", false),
        ("\u{b}\n", false),
    ] {
        let compiled = compile(&[("a.toml", POLICY), ("g.cedar", &guardrail(end))]);
        assert_eq!(compiled.is_ok(), is_good, "{end:?}");
    }
}

#[test]
fn bytes_that_are_no_text_are_told_by_their_place() {
    let file = SourceFile::new("policy.toml", b"[task.a]\nowner = \"\xffx\"\n".to_vec());
    let findings = Policy::compile(&[file], &installation()).unwrap_err();
    assert_eq!(
        lines(&findings),
        "policy.toml:2:10: error: the file is not UTF-8 from here on (help: save the file in the encoding UTF-8, for instance with `iconv -f LATIN1 -t UTF-8`)\n"
    );
}

#[test]
fn mistakes_of_the_installation_file() {
    let table = [
        ("max_ttl = \"1h\"\n", ""),
        ("max_ttl = \"1h\"", "max_ttl = 3600"),
        ("max_duration = \"8h\"", "max_durations = \"8h\""),
        ("[issuer.local]\nkind = \"jwt\"\n", ""),
        ("kind = \"jwt\"", "kind = \"postgres\""),
        ("kind = \"jwt\"", "secret = \"x\""),
        ("[issuer.local]", "[issuer.Local]"),
        ("[issuer.local]", "[task.a]\nowner = \"a\"\n[issuer.local]"),
        ("https://payroll.acme.example/", "payroll acme"),
        ("[issuer.local]", "[issuer.local"),
    ];
    let mut shown = String::new();
    for (right, wrong) in table {
        assert!(INSTALLATION.contains(right), "the sample has no {right:?}");
        let text = INSTALLATION.replacen(right, wrong, 1);
        let file = SourceFile::new("installation.toml", text.as_bytes());
        let findings = Installation::parse(&file).expect_err(wrong);
        writeln!(shown, "{right}\n=> {wrong}\n{}", lines(&findings)).unwrap();
    }
    insta::assert_snapshot!(shown);
}
