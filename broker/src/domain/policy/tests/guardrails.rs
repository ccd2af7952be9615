//! Guardrails and ceilings: what no grant gets past.

use std::fmt::Write as _;
use std::time::Duration;

use taskpass_proto::reason::Reason;

use super::*;
use crate::domain::policy::EnvironmentCeiling;
use crate::domain::policy::Lint;

const CI: &str = "spiffe://acme.example/prod/ci/docs";
const MAIN: (&str, &str) = ("ref", "refs/heads/main");

fn guarded(text: &str) -> Policy {
    compile(&[("policy.toml", POLICY), ("guard.cedar", text)])
        .unwrap_or_else(|findings| panic!("{text}\n{}", lines(&findings)))
}

/// As [`lines`], without what is known of the sample.
fn told(findings: &[Diagnostic]) -> String {
    let is_known = |one: &&Diagnostic| one.lint == Some(Lint::OverlappingEnvironments);
    let others = findings.iter().filter(|one| !is_known(one));
    lines(&others.cloned().collect::<Vec<_>>())
}

#[test]
fn a_guardrail_forbids_what_grants_allow() {
    let table = [
        ("forbid(principal, action, resource);", true),
        (
            "forbid(principal, action == Action::\"do\", resource);",
            true,
        ),
        (
            "forbid(principal, action, resource == Task::\"deploy-docs\");",
            true,
        ),
        (
            "forbid(principal, action, resource in Task::\"deploy-docs\");",
            true,
        ),
        (
            "forbid(principal, action, resource == Task::\"agent/answer\");",
            false,
        ),
        (
            "forbid(principal == Workload::\"spiffe://acme.example/prod/ci/docs\", action, resource);",
            true,
        ),
        (
            "forbid(principal == Workload::\"spiffe://acme.example/prod/ci/x\", action, resource);",
            false,
        ),
        (
            "forbid(principal, action, resource) when { context.time.weekday > 5 };",
            true,
        ),
        (
            "forbid(principal, action, resource) when { context.time.weekday < 6 };",
            false,
        ),
        (
            "forbid(principal, action, resource) unless { context.time.weekday > 5 };",
            false,
        ),
        (
            "forbid(principal, action, resource) when { context.params has ref && context.params.ref like \"*main\" };",
            true,
        ),
        (
            "forbid(principal, action, resource == Task::\"deploy-docs\") when { context.params.ref like \"*main\" };",
            true,
        ),
        (
            "forbid(principal, action, resource) when { context.path like \"/prod/ci/*\" };",
            true,
        ),
        ("// only a comment\n", false),
        (
            "// one; with ( brackets\n@id(\"no; way\")\nforbid(principal, action, resource) when { context.environment == \"prod\" }; // more\n",
            true,
        ),
        (
            "forbid(principal, action, resource == Task::\"agent/answer\");\nforbid(principal, action, resource == Task::\"deploy-docs\");",
            true,
        ),
    ];
    for (text, is_forbidden) in table {
        let decision = decide(&guarded(text), CI, "deploy-docs", &[MAIN], &[]);
        assert_eq!(
            decision.allowed().is_err(),
            is_forbidden,
            "{text}: {decision:#?}"
        );
        assert_eq!(decision.guardrails.is_empty(), !is_forbidden, "{text}");
        if is_forbidden {
            assert_eq!(denied(&decision).reason, Reason::Forbidden, "{text}");
        }
    }
}

#[test]
fn a_guardrail_is_known_by_its_id_or_its_place() {
    let policy = guarded(
        "\n@id(\"nobody\")\nforbid(principal, action, resource);\n\nforbid(principal, action, resource) when { context.time.hour > 3 };\n",
    );
    let names: Vec<_> = policy
        .guardrails()
        .iter()
        .map(|guardrail| &*guardrail.name)
        .collect();
    assert_eq!(names, ["nobody", "guard.cedar:5"]);
    let decision = decide(&policy, CI, "deploy-docs", &[MAIN], &[]);
    let forbade: Vec<_> = decision
        .guardrails
        .iter()
        .map(|g| (&*g.name, &*g.place, &*g.values))
        .collect();
    assert_eq!(
        forbade,
        [
            ("nobody", "guard.cedar:2", ""),
            ("guard.cedar:5", "guard.cedar:5", "context.time.hour = 12")
        ]
    );
    assert!(denied(&decision).explanation.contains("`nobody`"));
    assert!(!denied(&decision).message.contains("nobody"));
}

#[test]
fn a_guardrail_that_cannot_be_evaluated_forbids() {
    let sums = "context.time.unix + 9223372036854775807 < 0";
    let fine = "context.time.unix < 1000";
    let rule = |clause: &str, condition: &str| {
        format!("forbid(principal, action, resource) {clause} {{ {condition} }};")
    };
    assert!(
        compile(&[
            ("policy.toml", POLICY),
            ("guard.cedar", &rule("when", sums))
        ])
        .is_err()
    );
    for clause in ["when", "unless"] {
        let policy = unchecked(guarded(&rule(clause, fine)), &[(fine, sums)]);
        let decision = decide(&policy, CI, "deploy-docs", &[MAIN], &[]);
        assert_eq!(denied(&decision).reason, Reason::Forbidden, "{clause}");
        let error = decision.guardrails[0].error.as_ref().unwrap();
        assert!(error.contains("overflow"), "{error}");
    }
}

#[test]
fn a_guardrail_does_not_tell_which_tasks_exist() {
    let policy = guarded("forbid(principal, action, resource);");
    let other = "spiffe://acme.example/prod/nobody";
    let known = decide(&policy, other, "agent/answer", &[], &[]);
    let unknown = decide(&policy, other, "no-such-task", &[], &[]);
    assert_eq!(denied(&known).message, denied(&unknown).message);
    assert_eq!(denied(&known).reason, Reason::TaskNotGranted);
}

#[test]
fn what_is_wrong_in_a_guardrail_file_is_told_in_its_place() {
    let table = [
        "permit(principal, action, resource);",
        "@reason(\"x\")\nforbid(principal, action, resource);",
        "@id(\"a\")\nforbid(principal, action, resource);\n@id(\"a\")\nforbid(principal, action, resource);",
        "@id(\"\")\nforbid(principal, action, resource);",
        "forbid(principal == ?principal, action, resource);",
        "forbid(principal, action, resource)",
        "forbid(principal, action, resource) when { context.tiem.hour > 3 };",
        "forbid(principal, action, resource) when { context.params.ref == \"a\" };",
        "forbid(principal, action, resource) when { context.params has reff && context.params.reff == \"a\" };",
        "forbid(principal, action, resource == Task::\"deploy-doc\");",
        "forbid(principal, action == Action::\"deploy\", resource);",
        "forbid(principal, action, resource) when { context.environment == \"prd\" };",
        "forbid(principal, action, resource) when { context.identity.kind == \"agnet\" };",
        "forbid(principal, action, resource) when { context.time.hour > \"20\" };",
        "forbid(principal == Workload::\"spiffe://acme.example/prod/*\", action, resource);",
        "forbid(principal == User::\"a\", action, resource);",
        "forbid(principal, action, resource) when { resource in Group::\"a\" };",
        "forbid(principal, action, resource) when { context.time.hour = 3 };",
        "x",
        "[task.a]",
    ];
    let mut shown = String::new();
    for text in table {
        let findings = compile(&[("policy.toml", POLICY), ("guard.cedar", text)]).expect_err(text);
        writeln!(shown, "{text}\n{}", told(&findings)).unwrap();
    }
    insta::assert_snapshot!(shown);
}

fn installed(more: &str) -> Installation {
    let text = INSTALLATION.replace("[issuer.local]", &format!("{more}\n[issuer.local]"));
    Installation::parse(&SourceFile::new("installation.toml", text.as_bytes()))
        .unwrap_or_else(|findings| panic!("{}", lines(&findings)))
}

fn refused(more: &str) -> String {
    let files = [SourceFile::new("policy.toml", POLICY.as_bytes())];
    told(&Policy::compile(&files, &installed(more)).expect_err(more))
}

#[test]
fn no_file_exceeds_a_ceiling() {
    insta::assert_snapshot!(
        [
            "[ceiling.prod]\nmax_ttl = \"5m\"",
            "[ceiling.prod]\nissuers = []",
            "[ceiling.prod]\naudiences = [\"https://tickets.acme.example\"]",
            "[ceiling.any]\nmax_ttl = \"30m\"",
            "[ceiling.prdo]\nmax_ttl = \"30m\"",
        ]
        .map(refused)
        .join("\n")
    );
    assert!(
        refused_top("allowed_audiences = [\"https://docs.acme.example\"]")
            .contains("does not allow the audience `https://tickets.acme.example`")
    );
}

fn refused_top(line: &str) -> String {
    let text = format!("{line}\n{INSTALLATION}");
    let installation =
        Installation::parse(&SourceFile::new("installation.toml", text.as_bytes())).unwrap();
    let files = [SourceFile::new("policy.toml", POLICY.as_bytes())];
    lines(&Policy::compile(&files, &installation).unwrap_err())
}

#[test]
fn a_decision_stays_below_every_ceiling_whatever_was_compiled() {
    let ceiling = |max_ttl, issuers: Option<&str>, audiences: Option<&str>| EnvironmentCeiling {
        place: crate::domain::policy::Place {
            file: "installation.toml".into(),
            span: 0..0,
            line: 1,
            column: 1,
        },
        max_ttl,
        issuers: issuers.map(|name| vec![name.into()]),
        audiences: audiences.map(|uri| vec![uri.into()]),
    };
    let only_docs = [Wanted::whole("docs-api")];
    let decide = |policy: &Policy| super::decide(policy, CI, "deploy-docs", &[MAIN], &only_docs);
    let mut policy = policy(POLICY);
    assert_eq!(
        decide(&policy).allowed().unwrap().credentials[0].ttl,
        Duration::from_secs(120)
    );

    policy.ceilings.max_ttl = Duration::from_secs(30);
    let decision = decide(&policy);
    assert_eq!(
        decision.allowed().unwrap().credentials[0].ttl,
        Duration::from_secs(30)
    );
    let by: Vec<_> = decision.credentials[1]
        .ceilings
        .iter()
        .map(|ceiling| &*ceiling.by)
        .collect();
    assert_eq!(by, ["installation max_ttl"]);

    policy.ceilings.environments.insert(
        "prod".into(),
        ceiling(Some(Duration::from_secs(20)), None, None),
    );
    assert_eq!(
        decide(&policy).allowed().unwrap().credentials[0].ttl,
        Duration::from_secs(20)
    );

    policy.ceilings.max_duration = Duration::from_secs(10);
    let decision = decide(&policy);
    assert_eq!(
        decision.allowed().unwrap().max_duration,
        Duration::from_secs(10)
    );
    assert_eq!(
        decision.allowed().unwrap().credentials[0].ttl,
        Duration::from_secs(10)
    );

    for (issuers, audiences) in [
        (Some("other"), None),
        (None, Some("https://other.acme.example")),
    ] {
        policy
            .ceilings
            .environments
            .insert("prod".into(), ceiling(None, issuers, audiences));
        assert_eq!(
            denied(&decide(&policy)).reason,
            Reason::CredentialNotGranted
        );
    }
    policy.ceilings.environments.clear();
    assert!(decide(&policy).allowed().is_ok());
    policy.ceilings.allowed_audiences = Some(vec!["https://other.acme.example".into()]);
    assert_eq!(
        denied(&decide(&policy)).reason,
        Reason::CredentialNotGranted
    );
}

#[test]
fn a_decision_says_what_shortened_each_lifetime() {
    let policy = policy(POLICY);
    let wanted = [Wanted {
        lifetime: Some(Duration::from_secs(60)),
        ..Wanted::whole("tickets-api")
    }];
    let decision = decide(&policy, CI, "deploy-docs", &[MAIN], &wanted);
    let tickets = decision
        .credentials
        .iter()
        .find(|c| &*c.name == "tickets-api")
        .unwrap();
    let shown: Vec<_> = tickets
        .ceilings
        .iter()
        .map(|c| (&*c.by, c.ttl.as_secs()))
        .collect();
    assert_eq!(
        shown,
        [
            ("task max_duration", 1800),
            ("grant deploy-docs#2", 120),
            ("request", 60)
        ]
    );
}

#[test]
fn guardrails_forbid_in_the_order_of_files_and_lines_and_are_all_named() {
    let text = "@id(\"everybody\") forbid(principal, action, resource);\n\
                @id(\"task\") forbid(principal, action, resource == Task::\"deploy-docs\");\n\
                @id(\"workload\") forbid(principal == Workload::\"spiffe://acme.example/prod/ci/docs\", action, resource);";
    let decision = decide(&guarded(text), CI, "deploy-docs", &[MAIN], &[]);
    let names: Vec<_> = decision.guardrails.iter().map(|one| &*one.name).collect();
    assert_eq!(names, ["everybody", "task", "workload"]);
    assert_eq!(
        denied(&decision).explanation,
        "guardrail `everybody` at guard.cedar:1 forbids it; others that forbid it: `task`, `workload`"
    );
    let text = "forbid(principal, action, resource) when { context.time.hour == 12 };";
    let decision = decide(&guarded(text), CI, "deploy-docs", &[MAIN], &[]);
    assert_eq!(
        denied(&decision).explanation,
        "guardrail `guard.cedar:1` at guard.cedar:1 forbids it (context.time.hour = 12)"
    );
}

#[test]
fn the_ceiling_of_an_environment_only_lowers_that_of_the_installation() {
    let facts = |more: &str| installed(more).ceilings();
    let table = [
        ("", 3600, "installation max_ttl"),
        (
            "[ceiling.prod]\nmax_ttl = \"15m\"\n",
            900,
            "installation ceiling.prod",
        ),
        (
            "[ceiling.prod]\nmax_ttl = \"2h\"\n",
            3600,
            "installation max_ttl",
        ),
        (
            "[ceiling.prod]\nmax_ttl = \"1h\"\n",
            3600,
            "installation max_ttl",
        ),
        (
            "[ceiling.dev]\nmax_ttl = \"15m\"\n",
            3600,
            "installation max_ttl",
        ),
    ];
    for (more, seconds, by) in table {
        assert_eq!(
            facts(more).max_ttl("prod"),
            (Duration::from_secs(seconds), by.to_owned()),
            "{more}"
        );
    }
}

#[test]
fn a_ceiling_that_lowers_nothing_is_doubted() {
    let table = [
        ("[ceiling.prod]\nmax_ttl = \"15m\"\n", 0),
        ("[ceiling.prod]\nmax_ttl = \"1h\"\n", 1),
        ("[ceiling.prod]\nmax_ttl = \"2h\"\n", 1),
        ("[ceiling.prod]\n", 1),
        ("[ceiling.prod]\nissuers = [\"local\"]\n", 0),
    ];
    for (more, expected) in table {
        let file = SourceFile::new(
            "policy.toml",
            POLICY
                .replace("\"1h\"", "\"5m\"")
                .replace("\"10m\"", "\"5m\"")
                .as_bytes(),
        );
        let policy = Policy::compile(&[file], &installed(more)).unwrap();
        let doubts = policy
            .warnings()
            .iter()
            .filter(|one| one.lint == Some(Lint::UnusedCeiling));
        assert_eq!(doubts.count(), expected, "{more}");
    }
}
