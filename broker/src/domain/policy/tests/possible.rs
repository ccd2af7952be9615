//! Conditions that can never hold, or that always do.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::domain::policy::Lint;

/// A task whose grant has this condition, for workloads of three folders.
fn with(key: &str, condition: &str) -> String {
    format!(
        r#"
[task.deploy]
owner = "docs@acme.example"
purpose = "publish"
params.ref = {{ type = "path" }}
params.branch = {{ type = "path", pattern = "main|release/[0-9.]+", optional = true }}
params.service = {{ type = "token", optional = true }}
params.count = {{ type = "integer", min = -2, max = 9 }}
params.force = {{ type = "boolean" }}
params.color = {{ type = "one_of", values = ["blue", "green", "red"] }}
params.note = {{ type = "text", optional = true }}
[[task.deploy.grant]]
workload = ["spiffe://acme.example/prod/**", "spiffe://acme.example/dev/*", "spiffe://acme.test/one"]
credentials = ["api"]
{key} = '{condition}'
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
workloads = ["spiffe://acme.example/dev/**"]
[environment.stage]
workloads = ["spiffe://acme.example/stage/**"]
[task.other]
owner = "docs@acme.example"
purpose = "another one"
"#
    )
}

/// What is said of a condition, beside what every such policy is warned of.
fn said(key: &str, condition: &str) -> Vec<String> {
    let policy = policy(&with(key, condition));
    let of_condition = |lint| matches!(lint, Lint::UnreachableGrant | Lint::ConstantCondition);
    let warnings = policy.warnings().iter();
    warnings
        .filter(|warning| warning.lint.is_some_and(of_condition))
        .map(|warning| warning.message.clone())
        .collect()
}

const NEVER: &str = "nobody can use the grant: its `when` can never hold: ";
const ALWAYS: &str = "`when` changes nothing: it always holds: ";
const PART: &str = "a part of `when` changes nothing: ";

#[test]
fn what_can_never_hold_and_what_always_does_is_said() {
    let never = [
        (
            "context.time.hour >= 22 && context.time.hour < 6",
            "`context.time.hour` is never at least 22 and at most 5",
        ),
        (
            "context.time.hour > 23",
            "`context.time.hour` is never at least 24",
        ),
        (
            "context.time.weekday == 6 && context.time.weekday == 7",
            "`context.time.weekday` is never 6 and 7",
        ),
        (
            "[1, 2].contains(context.time.weekday) && context.time.weekday > 2",
            "`context.time.weekday` is never 1 or 2 and at least 3",
        ),
        (
            "context.params.count > 9",
            "`context.params.count` is never at least 10",
        ),
        (
            "context.environment == \"prod\" && context.environment == \"dev\"",
            "`context.environment` is never \"prod\" and \"dev\"",
        ),
        (
            "context.params.color != \"blue\" && context.params.color != \"green\" && context.params.color != \"red\"",
            "`context.params.color` is never not \"blue\" and not \"green\" and not \"red\"",
        ),
        (
            "context.path like \"/test/*\"",
            "`context.path` is never like \"/test/*\"",
        ),
        (
            "context.path like \"/prod/*\" && context.path like \"/dev/*\"",
            "`context.path` is never like \"/prod/*\" and like \"/dev/*\"",
        ),
        (
            "context.path like \"*/a\" && context.path like \"*/b\"",
            "`context.path` is never like \"*/a\" and like \"*/b\"",
        ),
        (
            "context.params.force && context.name like \"a/*\"",
            "`context.name` is never like \"a/*\"",
        ),
        (
            "context.path == \"/dev/a/b\"",
            "`context.path` is never \"/dev/a/b\"",
        ),
        (
            "context.subject == \"spiffe://acme.example/test/a\"",
            "`context.subject` is never \"spiffe://acme.example/test/a\"",
        ),
        (
            "context.subject like \"spiffe://acme.other/*\"",
            "`context.subject` is never like \"spiffe://acme.other/*\"",
        ),
        (
            "context.params.ref like \"a/*\" && !(context.params.ref like \"a/*\")",
            "`context.params.ref` is never like \"a/*\" and not like \"a/*\"",
        ),
        (
            "context.params.ref like \"a/b*\" && !(context.params.ref like \"a/*\")",
            "`context.params.ref` is never like \"a/b*\" and not like \"a/*\"",
        ),
        (
            "context.params.ref == \"a/b\" && context.params.ref like \"b*\"",
            "`context.params.ref` is never \"a/b\" and like \"b*\"",
        ),
        (
            "context.risk.exposed && !context.risk.exposed",
            "it asks for something and for its opposite",
        ),
        (
            "context.risk.exposed && context.time.hour < 3 && context.time.hour > 5 || context.time.minute > 60",
            "`context.time.hour` is never at most 2 and at least 6",
        ),
        (
            "context.time.hour >= 800 && context.time.hour < 1800",
            "`context.time.hour` is never at least 800",
        ),
        (
            "context.params has branch && context.params.branch like \"refs/heads/*\"",
            "`context.params.branch` is never like \"refs/heads/*\"",
        ),
        (
            "context.params has service && context.params.service like \"team/*\"",
            "`context.params.service` is never like \"team/*\"",
        ),
        (
            "context.time.date like \"21.11.*\"",
            "`context.time.date` is never like \"21.11.*\"",
        ),
        (
            "context.time.date like \"2026-1-*\"",
            "`context.time.date` is never like \"2026-1-*\"",
        ),
        (
            "context.path like \"/dev/w?b\"",
            "`context.path` is never like \"/dev/w?b\"",
        ),
        (
            "context.environment == \"stage\"",
            "`context.environment` is never \"stage\"",
        ),
        (
            "context.task == \"other\"",
            "`context.task` is never \"other\"",
        ),
        (
            "resource == Task::\"other\"",
            "`resource` is never \"Task::\\\"other\\\"\"",
        ),
        (
            "context.identity.name == \"nobody\"",
            "`context.identity.name` is never \"nobody\"",
        ),
    ];
    let always = [
        (
            "context.time.hour >= 6 || context.time.hour < 22",
            "`context.time.hour` is always at least 6 or at most 21",
        ),
        (
            "context.environment != \"prod\" || context.environment != \"dev\"",
            "`context.environment` is always not \"prod\" or not \"dev\"",
        ),
        (
            "context.time.minute >= 0",
            "`context.time.minute` is always at least 0",
        ),
        (
            "context.time.unix >= 0 && context.time.hour <= 23",
            "`context.time.unix` is always at least 0",
        ),
        (
            "context.risk.exposed || !context.risk.exposed",
            "it asks for something or for its opposite",
        ),
    ];
    let part = [
        (
            "context.risk.exposed || context.time.hour > 22 && context.time.hour < 6",
            "`context.time.hour` is never at least 23 and at most 5",
        ),
        (
            "context.params.force && (context.time.hour > 5 || context.time.hour < 9)",
            "`context.time.hour` is always at least 6 or at most 8",
        ),
        (
            "context.params.force && !(context.time.weekday == 6 && context.time.weekday == 7)",
            "`context.time.weekday` is always not 6 or not 7",
        ),
        (
            "if context.params.force then context.time.hour > 23 else context.risk.exposed",
            "`context.time.hour` is never at least 24",
        ),
    ];
    let nothing = [
        "context.time.hour >= 22 || context.time.hour < 6",
        "context.time.hour >= 8 && context.time.hour < 18 && context.time.weekday <= 5",
        "context.environment != \"prod\" && context.environment != \"dev\"",
        "context.environment == \"prod\" || context.environment == \"dev\"",
        "(context.environment == \"prod\" || context.environment == \"dev\") && (context.environment == \"dev\" || context.time.hour > 8)",
        "context.params.count > 8",
        "context.params.count >= -1 && context.params.count != 3",
        "context.path like \"/dev/*\"",
        "context.path == \"/prod/a/b\"",
        "context.path like \"/*\"",
        "context.subject like \"spiffe://acme.*\" && context.task == \"deploy\"",
        "context.time.weekday >= 1 && context.time.weekday <= 5",
        "context.params.count >= -2 && context.params.count <= 5 && context.params.force",
        "context.path like \"*a*\" && !(context.path like \"*b*\")",
        "context.subject == \"spiffe://acme.test/one\"",
        "context.trust_domain == \"acme.test\"",
        "context.params.ref like \"a*\" && context.params.ref like \"*a\"",
        "context.params has note && context.params.note like \"a*\"",
        "context.params has branch && context.params.branch like \"release/*\"",
        "context.params has branch && context.params.branch like \"m*\"",
        "context.params has service && context.params.service like \"*-api\"",
        "context.time.date like \"2026-12-2*\"",
        "context.time.date like \"*-12-24\"",
        "context.risk.exposed || context.risk.elevated",
        "context.job.age < 60 || context.job.is_renewal",
    ];
    for (table, before) in [(&never[..], NEVER), (&always, ALWAYS), (&part, PART)] {
        for (condition, why) in table {
            assert_eq!(
                said("when", condition),
                [format!("{before}{why}")],
                "{condition}"
            );
        }
    }
    for condition in nothing {
        assert_eq!(said("when", condition), [""; 0], "{condition}");
    }
    let of_the_grant = "context.task == \"deploy\"";
    assert_eq!(
        said("unless", of_the_grant),
        [
            "nobody can use the grant: its `unless` always holds: `context.task` is always \"deploy\""
        ]
    );
    let night = "context.time.hour >= 22 && context.time.hour < 6";
    let why = "`context.time.hour` is never at least 22 and at most 5";
    assert_eq!(
        said(
            "when",
            "context.params.force'\nunless = 'context.params.force || context.time.hour > 8"
        ),
        [
            "nobody can use the grant: `unless` keeps out what `when` lets in: it asks for something and for its opposite"
        ]
    );
    assert_eq!(
        said("unless", night),
        [format!(
            "`unless` changes nothing: it can never hold: {why}"
        )]
    );
}

#[test]
fn guardrails_that_forbid_nothing_or_everything_are_told() {
    let table = [
        (
            "context.time.hour > 22 && context.time.hour < 6",
            Lint::GuardrailForbidsNothing,
        ),
        (
            "context.environment != \"prod\" || context.environment != \"dev\"",
            Lint::GuardrailForbidsEverything,
        ),
        (
            "context.risk.exposed || context.time.hour > 23",
            Lint::ConstantCondition,
        ),
        (
            "resource == Task::\"deploy\" && context.task != \"deploy\" && context.time.hour > 23",
            Lint::GuardrailForbidsNothing,
        ),
    ];
    for (condition, lint) in table {
        let guardrail = format!("forbid(principal, action, resource) when {{ {condition} }};");
        let files = [
            ("policy.toml", &*with("when", "context.params.force")),
            ("g.cedar", &guardrail),
        ];
        let policy = compile(&files).unwrap();
        let lints: Vec<_> = policy
            .warnings()
            .iter()
            .filter_map(|one| one.lint)
            .collect();
        assert!(
            lints.contains(&lint),
            "{condition}: {}",
            lines(policy.warnings())
        );
    }
}

#[test]
fn a_condition_with_more_ways_than_are_looked_at_is_left_alone() {
    let one = |n: usize| format!("(context.params.count == {n} || context.time.hour == {n})");
    let many: Vec<_> = (0..8).map(one).collect();
    assert_eq!(
        said(
            "when",
            &format!("{} && context.time.hour > 23", many.join(" && "))
        ),
        [format!("{PART}`context.time.hour` is never at least 24")][..0]
    );
}

/// Tests that hold for some requests.
fn tests() -> impl Strategy<Value = String> {
    let number = |attribute: &'static str, values: std::ops::Range<i64>| {
        let operators = select(vec!["==", "!=", "<", "<=", ">", ">="]);
        (operators, values, any::<bool>()).prop_map(move |(operator, value, is_turned)| {
            if is_turned {
                format!("{value} {operator} context.{attribute}")
            } else {
                format!("context.{attribute} {operator} {value}")
            }
        })
    };
    let text = |attribute: &'static str, values: Vec<&'static str>| {
        (select(vec!["==", "!="]), select(values)).prop_map(move |(operator, value)| {
            format!("context.{attribute} {operator} \"{value}\"")
        })
    };
    let like = |attribute: &'static str, values: Vec<&'static str>| {
        select(values).prop_map(move |value| format!("context.{attribute} like \"{value}\""))
    };
    prop_oneof![
        number("time.hour", -1..25),
        number("time.weekday", 0..9),
        number("params.count", -4..12),
        select(vec![
            "[6, 7].contains(context.time.weekday)",
            "[0, 12].contains(context.time.hour)",
            "[\"blue\", \"red\"].contains(context.params.color)"
        ])
        .prop_map(str::to_owned),
        text("environment", vec!["prod", "dev", "stage", ""]),
        text("params.color", vec!["blue", "green", "red"]),
        text("params.ref", vec!["a", "a/b", "b/a"]),
        text("path", vec!["/prod/a", "/dev/a", "/dev/a/b", "/one"]),
        text(
            "subject",
            vec![
                "spiffe://acme.example/prod/a",
                "spiffe://acme.test/one",
                "spiffe://acme.test/two"
            ]
        ),
        text("trust_domain", vec!["acme.example", "acme.test"]),
        like(
            "params.ref",
            vec!["a*", "a/*", "*a", "*", "a", "*/*", "a*b", "b*a"]
        ),
        like(
            "path",
            vec![
                "/*",
                "/prod/*",
                "/dev/*",
                "/dev*",
                "*a",
                "/one",
                "/one*",
                "/prod/*/*"
            ]
        ),
        like(
            "subject",
            vec![
                "spiffe://*",
                "spiffe://acme.example/*",
                "spiffe://acme.test/*",
                "*one"
            ]
        ),
        select(vec![
            "context.params.force",
            "context.risk.exposed",
            "true",
            "false"
        ])
        .prop_map(str::to_owned),
    ]
}

fn conditions() -> impl Strategy<Value = String> {
    tests().prop_recursive(4, 12, 3, |inner| {
        let pair = (inner.clone(), inner.clone());
        prop_oneof![
            4 => (pair.clone(), select(vec!["&&", "||"])).prop_map(|((a, b), by)| format!("({a}) {by} ({b})")),
            1 => inner.clone().prop_map(|one| format!("!({one})")),
            1 => (inner, pair).prop_map(|(a, (b, c))| format!("if {a} then {b} else {c}")),
        ]
    })
}

/// Whether the grant lets in: hundreds of requests, of every kind that conditions above ask about.
fn answers(policy: &Policy) -> Vec<bool> {
    let subjects = [
        "acme.example/prod/a",
        "acme.example/prod/b/c",
        "acme.example/dev/a",
        "acme.test/one",
    ];
    let (refs, colors) = (["a", "a/b", "b/a", "c"], ["blue", "green", "red"]);
    // Every hour, every weekday, every number: each with a step that shares no divisor with the others.
    (0..252_u64)
        .map(|n| {
            let pick = |of: u64, step: u64| usize::try_from(n / step % of).unwrap();
            let count = i64::try_from(n % 12).unwrap() - 2;
            let given = parameters(&[
                ("ref", refs[pick(4, 5)]),
                ("color", colors[pick(3, 7)]),
                ("force", if n % 5 < 2 { "true" } else { "false" }),
                ("count", &count.to_string()),
            ]);
            let mut circumstances = at(NOON + n * 3600 + n / 24 * 86_400);
            circumstances.risk.exposed = n % 11 < 4;
            let subject = format!("spiffe://{}", subjects[pick(4, 3)])
                .parse()
                .unwrap();
            let request = Request {
                subject: &subject,
                task: "deploy",
                parameters: &given,
                wanted: &[],
                circumstances: &circumstances,
            };
            policy.decide(&request).allowed().is_ok()
        })
        .collect()
}

proptest! {
    #[test]
    fn what_is_said_to_be_never_or_always_so_is(condition in conditions(), key in select(vec!["when", "unless"])) {
        // What is an error by itself is told by other means.
        let Ok(policy) = compile(&[("policy.toml", &with(key, &condition))]) else { return Ok(()) };
        let of = |lint: Lint| policy.warnings().iter().find(|one| one.lint == Some(lint));
        let answers = answers(&policy);
        if let Some(said) = of(Lint::UnreachableGrant) {
            prop_assert!(answers.iter().all(|is_let_in| !is_let_in), "{}: {said}", condition);
        }
        if let Some(said) = of(Lint::ConstantCondition)
            && !said.message.contains("a part")
        {
            prop_assert!(answers.iter().all(|is_let_in| *is_let_in), "{}: {said}", condition);
        }
    }
}
