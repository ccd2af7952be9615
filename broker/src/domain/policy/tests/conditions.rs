//! `when`, `unless`, and grants in audit mode.

use std::time::Duration;

use taskpass_proto::reason::Reason;

use super::*;
use crate::domain::job::Reported;
use crate::domain::policy::{JobFacts, Outcome, Risk};

const CI: &str = "spiffe://acme.example/prod/ci/docs";

/// A policy of one task with one grant, and every type of parameter.
fn with(condition: &str) -> String {
    format!(
        r#"
[task.deploy]
owner = "docs@acme.example"
purpose = "publish"
params.ref = {{ type = "path" }}
params.count = {{ type = "integer", optional = true }}
params.force = {{ type = "boolean", optional = true }}
params.color = {{ type = "one_of", values = ["blue", "green"], optional = true }}
params.note = {{ type = "text", optional = true }}
[[task.deploy.grant]]
workload = ["spiffe://acme.example/prod/**", "spiffe://acme.example/dev/**", "spiffe://acme.example/test/**"]
credentials = ["api"]
{condition}
[credential.api]
issuer = "local"
audience = "docs"
scopes = ["docs:read"]
ttl = "10m"
environment = "any"
[audience.docs]
uri = "https://docs.acme.example"
[environment.prod]
workloads = ["spiffe://acme.example/prod/**"]
[environment.dev]
workloads = ["spiffe://acme.example/dev/**", "spiffe://acme.example/prod/both"]
[identity.bot]
workload = "spiffe://acme.example/prod/ci/*"
kind = "agent"
owner = "agents@acme.example"
tools = ["search", "publish"]
"#
    )
}

fn ask(
    policy: &Policy,
    subject: &str,
    pairs: &[(&str, &str)],
    circumstances: &Circumstances,
) -> Decision {
    policy.decide(&Request {
        subject: &subject.parse().unwrap(),
        task: "deploy",
        parameters: &parameters(pairs),
        wanted: &[],
        circumstances,
    })
}

fn circumstances() -> Circumstances {
    Circumstances {
        job: JobFacts {
            opened_at: UnixMillis::new((NOON - 90) * 1000),
            generation: 2,
            is_renewal: true,
        },
        reported: Some(Reported {
            host: "build-7".to_owned(),
            uid: 1000,
            gid: 100,
            pid: 7,
            executable: "/usr/bin/make".to_owned(),
        }),
        ..at(NOON)
    }
}

#[test]
fn conditions_see_everything_that_a_decision_knows() {
    let holds = [
        "context.subject == \"spiffe://acme.example/prod/ci/docs\"",
        "principal == Workload::\"spiffe://acme.example/prod/ci/docs\"",
        "resource == Task::\"deploy\" && context.task == \"deploy\"",
        "context.trust_domain == \"acme.example\"",
        "context.name == \"docs\" && context.params.ref != context.name",
        "context.path == \"/prod/ci/docs\" && context.path like \"/prod/*\"",
        "context.segments.contains(\"ci\") && context.segments.containsAll([\"prod\", \"docs\"])",
        "context.environment == \"prod\" && context.environments == [\"prod\"]",
        "context.params.ref == \"refs/heads/main\"",
        "context.params has count && context.params.count > 2",
        "context.params has force && context.params.force",
        "!(context.params has note)",
        "context.time.hour == 12 && context.time.minute == 0 && context.time.weekday == 6",
        "context.time.date == \"2026-11-21\" && context.time.unix == 1795262400",
        "context.job.is_renewal && context.job.generation == 2 && context.job.age == 90",
        "context.job.opened_at + 90 == context.time.unix",
        "context.identity.kind == \"agent\" && context.identity.name == \"bot\"",
        "context.identity.owner == \"agents@acme.example\" && context.identity.tools.contains(\"search\")",
        "!context.risk.exposed && !context.risk.elevated",
        "context.reported has uid && context.reported.uid == 1000",
        "context.reported has host && context.reported.host like \"build-*\"",
        "context.reported has gid && context.reported.gid == 100 && context.reported has pid && context.reported.pid == 7",
        "context.reported has executable && context.reported.executable == \"/usr/bin/make\"",
    ];
    let pairs = [
        ("ref", "refs/heads/main"),
        ("count", "3"),
        ("force", "true"),
    ];
    for text in holds {
        for (condition, is_let_in) in [
            (format!("when = '{text}'"), true),
            (format!("when = '!({text})'"), false),
            (format!("unless = '{text}'"), false),
            (format!("unless = '!({text})'"), true),
            (format!("when = '{text}'\nunless = '{text}'"), false),
        ] {
            let decision = ask(&policy(&with(&condition)), CI, &pairs, &circumstances());
            assert_eq!(
                decision.allowed().is_ok(),
                is_let_in,
                "{condition}: {decision:#?}"
            );
        }
    }
}

#[test]
fn what_is_not_known_is_empty_or_missing() {
    let holds = [
        (
            "spiffe://acme.example/test/x",
            "context.environment == \"\" && !context.environments.contains(\"prod\")",
        ),
        (
            "spiffe://acme.example/prod/both",
            "context.environment == \"\" && context.environments.contains(\"prod\") && context.environments.contains(\"dev\")",
        ),
        (
            "spiffe://acme.example/test/x",
            "context.identity.kind == \"\" && context.identity.name == \"\" && context.identity.tools == []",
        ),
        (
            "spiffe://acme.example/test/x",
            "!(context.reported has uid) && !(context.reported has host)",
        ),
    ];
    for (subject, text) in holds {
        // An empty set has no type by itself.
        let text = text.replace(
            "context.identity.tools == []",
            "!context.identity.tools.contains(\"x\")",
        );
        let policy = policy(&with(&format!("when = '{text}'")));
        let decision = ask(&policy, subject, &[("ref", "a")], &at(NOON));
        assert!(decision.allowed().is_ok(), "{text}: {decision:#?}");
    }
}

#[test]
fn risk_is_seen_once_somebody_sets_it() {
    let policy = policy(&with(
        "unless = 'context.risk.exposed || context.risk.elevated'",
    ));
    for (exposed, elevated) in [(false, false), (true, false), (false, true)] {
        let circumstances = Circumstances {
            risk: Risk { exposed, elevated },
            ..at(NOON)
        };
        let decision = ask(&policy, CI, &[("ref", "a")], &circumstances);
        assert_eq!(decision.allowed().is_ok(), !exposed && !elevated);
    }
}

#[test]
fn a_condition_that_is_not_met_is_kept_with_the_values_it_saw() {
    let policy = policy(&with(
        "when = 'context.params.ref == \"main\" && context.time.hour < 20'",
    ));
    let decision = ask(&policy, CI, &[("ref", "other")], &at(NOON));
    assert_eq!(denied(&decision).reason, Reason::TaskNotGranted);
    let failed = decision.grants[0].failed.clone().unwrap();
    assert_eq!(failed.condition, "when");
    assert_eq!(
        failed.expected,
        "context.params.ref == \"main\" && context.time.hour < 20"
    );
    assert_eq!(
        failed.value.unwrap(),
        "context.params.ref = \"other\", context.time.hour = 12"
    );
}

/// What a check refuses: integers that overflow.
const OVERFLOWS: &str =
    "context.params has count && context.params.count + 9223372036854775807 > 0";

/// A policy in which [`OVERFLOWS`] was not checked.
fn overflowing(text: &str) -> Policy {
    let stands_for_it = "context.params has count && context.params.count > 7";
    let policy = policy(&text.replace(OVERFLOWS, stands_for_it));
    unchecked(policy, &[(stands_for_it, OVERFLOWS)])
}

#[test]
fn what_can_overflow_is_an_error_that_a_smaller_range_mends() {
    let overflows = [
        "context.params has count && context.params.count + 1 > 0",
        "context.params has count && context.params.count * 2 > 0",
        "context.params has count && -context.params.count > 0",
        "context.time.unix * context.time.unix > 0",
        "context.time.hour + 9223372036854775807 > 0",
        "(if context.risk.exposed then 1 else 9223372036854775807) + 1 > 0",
        "[9223372036854775807 - -1].contains(context.time.hour)",
    ];
    for condition in overflows {
        let found = compile(&[("a.toml", &with(&format!("when = '{condition}'")))]).unwrap_err();
        let told = found
            .iter()
            .filter(|one| one.message.contains("can overflow"))
            .count();
        assert_eq!(told, 1, "{condition}: {}", lines(&found));
    }
    let fine = [
        "context.time.unix + 3600 > context.job.opened_at * 2 - 5",
        "context.time.hour * 60 + context.time.minute > 510",
        "-context.time.hour < -8",
        "context.reported has uid && context.reported.uid + 1 > 1000",
    ];
    for condition in fine {
        policy(&with(&format!("when = '{condition}'")));
    }
    let bounded = with("when = 'context.params has count && context.params.count * 1000 + 7 > 0'")
        .replace("\"integer\",", "\"integer\", min = -5, max = 1000000,");
    assert!(bounded.contains("max = 1000000"));
    policy(&bounded);
    let guardrail = "forbid(principal, action, resource) when { context.params has count && context.params.count + 1 > 5 };";
    assert!(compile(&[("a.toml", &with("")), ("b.cedar", guardrail)]).is_err());
    assert!(compile(&[("a.toml", &bounded), ("b.cedar", guardrail)]).is_ok());
}

#[test]
fn a_condition_has_no_comments() {
    for text in [
        "\"\"\"context.risk.exposed // only main: \\\n && context.params.ref == \"main\" \"\"\"",
        "'true // x'",
    ] {
        let found = compile(&[("a.toml", &with(&format!("when = {text}")))]).unwrap_err();
        assert!(
            found.iter().any(|one| one.message.contains("no comments")),
            "{}",
            lines(&found)
        );
    }
    policy(&with(
        "when = 'context.subject like \"spiffe://acme.example/*\"'",
    ));
}

#[test]
fn what_cannot_be_evaluated_denies_in_when_and_in_unless() {
    let pairs = [("ref", "main"), ("count", "1")];
    for condition in [
        format!("when = '{OVERFLOWS}'"),
        format!("unless = '{OVERFLOWS}'"),
        format!("when = 'true || true'\nunless = '{OVERFLOWS}'"),
    ] {
        let policy = overflowing(&with(&condition));
        let decision = ask(&policy, CI, &pairs, &at(NOON));
        assert_eq!(denied(&decision).reason, Reason::Forbidden, "{condition}");
        assert!(
            denied(&decision).explanation.contains("overflow"),
            "{decision:#?}"
        );
    }
}

#[test]
fn a_time_that_no_calendar_has_denies_whatever_depends_on_conditions_or_guardrails() {
    let never = at(u64::MAX / 1000);
    let pairs = [("ref", "main")];
    let guardrail = "forbid(principal, action, resource) when { context.time.hour > 24 };";
    let conditional = policy(&with("unless = 'context.time.hour > 24'"));
    let guarded = compile(&[("a.toml", &with("")), ("b.cedar", guardrail)]).unwrap();
    for policy in [conditional, guarded] {
        assert!(ask(&policy, CI, &pairs, &at(NOON)).allowed().is_ok());
        let decision = ask(&policy, CI, &pairs, &never);
        assert_eq!(denied(&decision).reason, Reason::Forbidden);
        let explanation = denied(&decision).explanation;
        assert!(explanation.contains("cannot be evaluated"), "{explanation}");
    }
    assert!(
        ask(&policy(&with("")), CI, &pairs, &never)
            .allowed()
            .is_ok()
    );
}

#[test]
fn a_denial_says_what_is_against_it_in_each_grant_for_the_workload() {
    let table = [
        (
            "when = 'context.time.hour > 12'",
            "`when` of grant `deploy#1` is not met (context.time.hour = 12)",
        ),
        (
            "unless = 'context.time.hour == 12'",
            "`unless` of grant `deploy#1` is met (context.time.hour = 12)",
        ),
        (
            "mode = \"audit\"",
            "grant `deploy#1` is in audit mode, which lets nothing through",
        ),
        (
            "mode = \"audit\"\nwhen = 'context.time.hour > 20'",
            "`when` of grant `deploy#1`, which is in audit mode, is not met (context.time.hour = 12)",
        ),
    ];
    for (condition, expected) in table {
        let decision = ask(&policy(&with(condition)), CI, &[("ref", "main")], &at(NOON));
        let explanation = denied(&decision).explanation;
        assert!(explanation.ends_with(expected), "{explanation}");
    }
    let grant = "[[task.deploy.grant]]\nworkload = \"spiffe://acme.example/prod/**\"\ncredentials = [\"api\"]\nmode = \"audit\"\n";
    let text = with("mode = \"audit\"").replace(
        "[credential.api]",
        &format!("{}[credential.api]", grant.repeat(4)),
    );
    let decision = ask(&policy(&text), CI, &[("ref", "main")], &at(NOON));
    assert!(
        denied(&decision)
            .explanation
            .ends_with("`deploy#3` is in audit mode, which lets nothing through; and 2 more")
    );
}

#[test]
fn what_is_refused_anyway_is_not_said_to_be_let_in_with_audit_grants() {
    let audit = "[[task.deploy.grant]]\nworkload = \"spiffe://acme.example/prod/**\"\ncredentials = [\"api\"]\nmode = \"audit\"\n";
    let text = with(&format!("when = '{OVERFLOWS}'"))
        .replace("[credential.api]", &format!("{audit}[credential.api]"));
    let pairs = [("ref", "main"), ("count", "1")];
    let broken = ask(&overflowing(&text), CI, &pairs, &at(NOON));
    assert_eq!(denied(&broken).reason, Reason::Forbidden);
    assert_eq!(broken.with_audit_grants, None);
    let guardrail = "forbid(principal, action, resource);";
    let guarded = compile(&[
        ("a.toml", &with("mode = \"audit\"")),
        ("b.cedar", guardrail),
    ])
    .unwrap();
    assert_eq!(ask(&guarded, CI, &pairs, &at(NOON)).with_audit_grants, None);
}

#[test]
fn an_error_denies_though_another_grant_would_let_it_in() {
    let second = "[[task.deploy.grant]]\nworkload = \"spiffe://acme.example/prod/**\"\ncredentials = [\"api\"]\n";
    let text = with(&format!("when = '{OVERFLOWS}'"))
        .replace("[credential.api]", &format!("{second}[credential.api]"));
    let policy = overflowing(&text);
    let decision = ask(&policy, CI, &[("ref", "main"), ("count", "1")], &at(NOON));
    assert_eq!(denied(&decision).reason, Reason::Forbidden);
    assert!(
        ask(&policy, CI, &[("ref", "main")], &at(NOON))
            .allowed()
            .is_ok()
    );
}

#[test]
fn a_grant_in_audit_mode_lets_nothing_through_and_says_what_it_would() {
    let policy = policy(&with("mode = \"audit\""));
    let decision = ask(&policy, CI, &[("ref", "main")], &at(NOON));
    assert_eq!(denied(&decision).reason, Reason::TaskNotGranted);
    let Some(Outcome::Allowed(would)) = &decision.with_audit_grants else {
        panic!("{decision:#?}");
    };
    assert_eq!(&*would.credentials[0].name, "api");
    let json = serde_json::to_value(&decision).unwrap();
    assert_eq!(json["grants"][0]["mode"], "audit");
    assert_eq!(
        json["with_audit_grants"]["allowed"]["credentials"][0]["name"],
        "api"
    );
}

#[test]
fn a_grant_in_audit_mode_neither_adds_nor_shortens_nor_breaks_anything() {
    let second = format!(
        "[[task.deploy.grant]]\nworkload = \"spiffe://acme.example/prod/**\"\ncredentials = [\"api\"]\nmax_ttl = \"1m\"\nmode = \"audit\"\nunless = '{OVERFLOWS}'\n"
    );
    let text = with("").replace("[credential.api]", &format!("{second}[credential.api]"));
    let policy = overflowing(&text);
    let decision = ask(&policy, CI, &[("ref", "main")], &at(NOON));
    assert_eq!(
        decision.allowed().unwrap().credentials[0].ttl,
        Duration::from_secs(600)
    );
    let Some(Outcome::Allowed(would)) = &decision.with_audit_grants else {
        panic!("{decision:#?}");
    };
    assert_eq!(would.credentials[0].ttl, Duration::from_secs(60));
    let broken = ask(&policy, CI, &[("ref", "main"), ("count", "1")], &at(NOON));
    assert!(
        broken.allowed().is_ok() && broken.with_audit_grants.is_none(),
        "{broken:#?}"
    );
}

#[test]
fn a_text_that_closes_the_condition_is_no_expression() {
    for text in [
        "true } unless { false",
        "true }; permit(principal, action, resource) when { true",
        "true\n}; //",
        "true;",
    ] {
        let findings = compile(&[("a.toml", &with(&format!("when = '''{text}'''")))]);
        assert!(findings.is_err(), "{text}");
    }
}

#[test]
fn huge_and_deep_conditions_are_refused_before_a_parser_sees_them() {
    for text in [
        "(".repeat(3000),
        "!".repeat(3000),
        "true && ".repeat(400) + "true",
        format!("{}true{}", "(".repeat(500), ")".repeat(500)),
        "x".repeat(100_000),
        "[".repeat(200),
    ] {
        let findings = compile(&[("a.toml", &with(&format!("when = '{text}'")))]).unwrap_err();
        let wrong = findings.iter().find(|one| one.severity == Severity::Error);
        assert_eq!(wrong.unwrap().place.line, 13, "{}", lines(&findings));
    }
    // What is let through is also survived.
    let deep = format!("{}context.time.hour > 0{}", "(".repeat(12), ")".repeat(12));
    let wide = ["context.job.is_renewal"; 30].join(" || ");
    for text in [deep, wide] {
        let policy = policy(&with(&format!("when = '{text}'")));
        let _ = ask(&policy, CI, &[("ref", "main")], &at(NOON));
    }
}
