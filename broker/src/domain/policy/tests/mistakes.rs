//! Mistakes that operators make: each found, in its place, with what to write instead.

use std::fmt::Write as _;

use super::*;

/// What is changed in the sample policy, and to what.
const MISTAKES: &[(&str, &str)] = &[
    // The file.
    ("[credential.docs-api]", "[credential.docs-api"),
    ("[task.deploy-docs]", "[task.ci/deploy-docs]"),
    ("[task.deploy-docs]", "[task.ci.deploy-docs]"),
    ("ttl = \"1h\"", "ttl = 1h"),
    ("ttl = \"1h\"", "ttl = \"1h"),
    ("ttl = \"1h\"", "ttl = \"1h\"\nttl = \"2h\""),
    ("[audience.tickets]", "[audience.docs]"),
    ("[environment.dev]", "[enviroment.dev]"),
    ("[environment.dev]", "[policies.dev]"),
    (
        "[audience.tickets]",
        "[issuer.local]\nkind = \"jwt\"\n[audience.tickets]",
    ),
    // Tasks.
    ("owner = \"docs-platform@acme.example\"\n", ""),
    ("owner = \"docs-platform@acme.example\"", "owner = \" \""),
    (
        "owner = \"docs-platform@acme.example\"",
        "owner = [\"docs-platform@acme.example\"]",
    ),
    ("purpose = \"publish the documentation site\"\n", ""),
    ("max_duration = \"30m\"", "max_duratoin = \"30m\""),
    ("max_duration = \"30m\"", "max_duration = \"30 min\""),
    ("max_duration = \"30m\"", "max_duration = 30"),
    ("max_duration = \"30m\"", "max_duration = \"0s\""),
    ("max_duration = \"30m\"", "max_duration = \"9h\""),
    ("[task.deploy-docs]", "[task.Deploy_Docs]"),
    ("agent/answer", "agent//answer"),
    // Parameters.
    ("type = \"path\"", "type = \"pth\""),
    ("type = \"path\"", "type = \"regex\""),
    ("type = \"path\", ", ""),
    ("[a-z0-9.-]+)", "[a-z0-9.-+)"),
    ("refs/heads/(main|release", "refs/heads/main)|(?:(release"),
    (
        "{ type = \"one_of\", values = [\"blue\", \"green\"], optional = true }",
        "{ type = \"one_of\" }",
    ),
    ("[\"blue\", \"green\"]", "[\"blue\", \"blue\"]"),
    (
        "[\"blue\", \"green\"], optional = true",
        "[\"blue\", \"green\"], pattern = \"b.*\"",
    ),
    (
        "{ type = \"text\", optional = true }",
        "{ type = \"integer\", min = 5, max = 1 }",
    ),
    (
        "{ type = \"text\", optional = true }",
        "{ type = \"text\", optional = \"yes\" }",
    ),
    (
        "{ type = \"text\", optional = true }",
        "{ type = \"text\", default = \"\" }",
    ),
    ("{ type = \"text\", optional = true }", "\"text\""),
    ("params.note", "params.Note"),
    // Grants.
    ("[[task.deploy-docs.grant]]", "[[task.deploy-docs.grants]]"),
    (
        "[[task.\"agent/answer\".grant]]",
        "[task.\"agent/answer\".grant]",
    ),
    ("workload = \"spiffe://acme.example/prod/ci/*\"\n", ""),
    (
        "spiffe://acme.example/prod/ci/*",
        "https://acme.example/prod/ci/*",
    ),
    ("spiffe://acme.example/prod/ci/*", "spiffe://*/prod/ci/*"),
    (
        "spiffe://acme.example/prod/ci/*",
        "spiffe://acme.example/prod/ci-*",
    ),
    (
        "spiffe://acme.example/prod/ci/*",
        "spiffe://acme.example/**/ci",
    ),
    ("spiffe://acme.example/prod/ci/*", "spiffe://acme.example"),
    (
        "spiffe://acme.example/prod/ci/*",
        "spiffe://acme.example/prod/${params.ref}",
    ),
    (
        "credentials = [\"docs-api\", \"dev-api\"]",
        "credentials = [\"docs-apo\", \"dev-api\"]",
    ),
    (
        "credentials = [\"docs-api\", \"dev-api\"]",
        "credentials = [\"github\"]",
    ),
    (
        "credentials = [\"docs-api\", \"dev-api\"]",
        "credentials = []",
    ),
    (
        "credentials = [\"docs-api\", \"dev-api\"]",
        "credentials = \"docs-api\"",
    ),
    (
        "credentials = [\"docs-api\", \"dev-api\"]",
        "credentials = [\"docs-api\", \"docs-api\"]",
    ),
    ("max_live_jobs = 3", "max_live_jobs = 0"),
    ("max_live_jobs = 3", "max_live_jobs = 99999999999999999999"),
    ("max_live_jobs = 3", "mode = \"audti\""),
    ("max_live_jobs = 3", "mode = \"dry-run\""),
    ("max_live_jobs = 3", "approvals = 1"),
    // Credentials.
    ("environment = \"dev\"\n", ""),
    ("environment = \"dev\"", "environment = \"production\""),
    (
        "issuer = \"local\"\naudience = \"tickets\"",
        "issuer = \"loca\"\naudience = \"tickets\"",
    ),
    (
        "issuer = \"local\"\naudience = \"tickets\"",
        "issuer = \"github\"\naudience = \"tickets\"",
    ),
    (
        "audience = \"tickets\"",
        "audience = \"https://tickets.acme.example\"",
    ),
    ("audience = \"tickets\"", "audience = \"ticket\""),
    ("ttl = \"1h\"", "ttl = \"2h\""),
    ("ttl = \"1h\"", ""),
    ("scopes = []", "scopes = [\"tickets:read tickets:write\"]"),
    ("scopes = []", "scopes = \"tickets:read\""),
    ("scopes = []", "scopes = [\"ticket:${params.id}\"]"),
    ("scopes = []", "scopes = [\"ticket:${params.color}\"]"),
    ("scopes = []", "scopes = [\"ticket:${subject}\"]"),
    ("scopes = []", "scopes = [\"ticket:${params.ref\"]"),
    (
        "params.note = { type = \"text\", optional = true }\nmax",
        "params.note = { type = \"text\" }\nmax",
    ),
    (
        "[\"blue\", \"green\"], optional = true",
        "[\"blue\", \"light green\"]",
    ),
    // Audiences, environments, identities.
    ("https://tickets.acme.example", "https://docs.acme.example"),
    (
        "https://tickets.acme.example",
        "https://Payroll.acme.example",
    ),
    (
        "https://tickets.acme.example",
        "https://tickets.acme.example/${params.ref}",
    ),
    ("https://tickets.acme.example", "tickets"),
    ("spiffe://acme.example/prod/docs-api\"]", "docs-api\"]"),
    (
        "[environment.dev]\nworkloads",
        "[environment.dev]\nworkload",
    ),
    ("[environment.dev]", "[environment.any]"),
    (
        "[environment.dev]",
        "[identity.a]\nworkload = \"spiffe://acme.example/a\"\nkind = \"robot\"\nowner = \"a\"\n[environment.dev]",
    ),
    (
        "[environment.dev]",
        "[identity.a]\nworkload = \"spiffe://acme.example/a\"\nkind = \"service\"\nowner = \"a\"\ntools = [\"x\"]\n[environment.dev]",
    ),
    (
        "[environment.dev]",
        "[identity.a]\nworkload = \"spiffe://acme.example/a\"\nkind = \"person\"\nowner = \"a\"\n[identity.b]\nworkload = \"spiffe://acme.example/a\"\nkind = \"person\"\nowner = \"b\"\n[environment.dev]",
    ),
];

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

#[test]
fn every_mistake_is_found_in_its_place_with_a_remedy() {
    let mut shown = String::new();
    for (right, wrong) in MISTAKES {
        assert!(POLICY.contains(right), "the sample has no {right:?}");
        let text = in_scope(&POLICY.replacen(right, wrong, 1));
        let findings = compile(&[("policy.toml", &text)]).expect_err(wrong);
        assert!(
            findings.iter().any(|f| f.severity == Severity::Error),
            "{wrong}"
        );
        writeln!(shown, "{right}\n=> {wrong}\n{}", lines(&findings)).unwrap();
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn what_is_doubtful_is_a_warning() {
    let table = [
        (
            "[[task.\"agent/answer\".grant]]\nworkload = \"spiffe://acme.example/*/agents/**\"\ncredentials = [\"dev-api\"]\n",
            "",
        ),
        (
            "spiffe://acme.example/*/agents/**",
            "spiffe://acme.example/**",
        ),
        (
            "credentials = [\"docs-api\", \"tickets-api\"]",
            "credentials = [\"docs-api\"]",
        ),
        (
            "spiffe://acme.example/dev/**",
            "spiffe://acme.example/prod/**",
        ),
    ];
    let mut shown = String::new();
    for (right, doubtful) in table {
        assert!(POLICY.contains(right), "the sample has no {right:?}");
        let policy = policy(&POLICY.replacen(right, doubtful, 1));
        writeln!(shown, "=> {doubtful}\n{}", lines(policy.warnings())).unwrap();
    }
    insta::assert_snapshot!(shown);
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
        "b.toml:2:11: error: audience `docs` is declared twice (see a.toml:49:11: first declared here) \
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
fn bytes_that_are_no_text_are_told_by_their_place() {
    let file = SourceFile::new("policy.toml", b"[task.a]\nowner = \"\xffx\"\n".to_vec());
    let findings = Policy::compile(&[file], &installation()).unwrap_err();
    assert_eq!(
        lines(&findings),
        "policy.toml:2:10: error: the file is not UTF-8 from here on (help: save the file in the encoding UTF-8)\n"
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
