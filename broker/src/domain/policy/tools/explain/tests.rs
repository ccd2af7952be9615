//! Explanations of the sample policy.

use std::fmt::Write as _;

use super::*;
use crate::domain::policy::tests::unchecked;
use crate::domain::policy::{Circumstances, Installation, SourceFile, Wanted};
use crate::domain::time::UnixMillis;

const POLICY: &str = r#"
[task.deploy-docs]
owner = "docs@acme.example"
purpose = "publish"
max_duration = "8m"
params.ref = { type = "path", pattern = "refs/heads/(main|release/[a-z0-9.-]+)" }
params.color = { type = "one_of", values = ["blue", "green"], optional = true }

[[task.deploy-docs.grant]]
workload = "spiffe://acme.example/prod/ci/docs/*"
credentials = ["docs", "dev-docs"]

[[task.deploy-docs.grant]]
workload = ["spiffe://acme.example/prod/ci/**", "spiffe://acme.example/lab/*"]
credentials = ["docs"]
max_ttl = "2m"

[task.build]
owner = "build@acme.example"
purpose = "build"

[[task.build.grant]]
workload = "spiffe://acme.example/dev/ci/*"
credentials = ["dev-docs"]

[[task.build.grant]]
workload = "spiffe://acme.example/prod/ci/night"
credentials = ["docs-whole"]
when = 'context.time.hour < 6'

[[task.build.grant]]
workload = "spiffe://acme.example/prod/ci/*"
credentials = ["docs-whole"]
mode = "audit"

[task.scan]
owner = "scan@acme.example"
purpose = "scan"
params.level = { type = "one_of", values = ["low", "high"] }
params.attempt = { type = "integer", min = 1, max = 5, optional = true }

[[task.scan.grant]]
workload = "spiffe://acme.example/prod/scan/weekdays"
credentials = ["docs-whole"]
when = '''
context.time.hour >= 8 &&
(context.params.level == "low" || context.time.weekday < 6) && context.environment == "prod"
'''

[[task.scan.grant]]
workload = "spiffe://acme.example/prod/scan/small"
credentials = ["docs-whole"]
unless = 'context.params.level == "high" || context.time.hour < 6'

[[task.scan.grant]]
workload = "spiffe://acme.example/prod/scan/sum"
credentials = ["docs-whole"]
when = 'context.params has attempt && context.params.attempt > 6'

[[task.scan.grant]]
workload = "spiffe://acme.example/both/*"
credentials = ["docs-whole", "dev-docs"]

[credential.docs]
issuer = "local"
audience = "docs"
scopes = ["docs:read", "ref:${params.ref}"]
ttl = "10m"
environment = "prod"

[credential.docs-whole]
issuer = "local"
audience = "docs"
scopes = ["docs:read"]
ttl = "10m"
environment = "prod"

[credential.dev-docs]
issuer = "local"
audience = "docs"
scopes = ["docs:read"]
ttl = "10m"
environment = "dev"

[audience.docs]
uri = "https://docs.acme.example"

[environment.prod]
workloads = ["spiffe://acme.example/prod/**", "spiffe://acme.example/both/*"]

[environment.dev]
workloads = ["spiffe://acme.example/dev/**", "spiffe://acme.example/both/*"]
"#;

const GUARDRAILS: &str = r#"
@id("no-freezer")
forbid(principal, action, resource == Task::"build") when { context.subject like "*/freezer" };
@id("no-sums")
forbid(principal, action, resource == Task::"scan")
when { context.params has attempt && context.params.attempt > 7 && context.subject like "*/small" };
@id("nobody-in-the-freezer")
forbid(principal == Workload::"spiffe://acme.example/dev/ci/freezer", action, resource);
"#;

const CI: &str = "spiffe://acme.example/prod/ci/docs/1";
const OTHER_CI: &str = "spiffe://acme.example/prod/ci/site";
const LAB: &str = "spiffe://acme.example/lab/x";

fn explained(workload: &str, task: &str, pairs: &[(&str, &str)], wanted: Vec<Wanted>) -> String {
    let file = |name: &str, text: &str| SourceFile::new(name, text.as_bytes());
    let facts = "max_ttl = \"1h\"\nmax_duration = \"8h\"\nissuer.local = { kind = \"jwt\" }";
    let facts = Installation::parse(&file("installation.toml", facts)).unwrap();
    let sums = [
        (
            "context.params.attempt > 6",
            "context.params.attempt + 9223372036854775807 > 0",
        ),
        (
            "context.params.attempt > 7",
            "context.params.attempt * 9223372036854775807 > 1",
        ),
    ];
    let policy = Policy::compile(
        &[file("p.toml", POLICY), file("g.cedar", GUARDRAILS)],
        &facts,
    );
    // What a check refuses is to be explained all the same.
    let policy = unchecked(policy.unwrap(), &sums);
    let input = Input {
        workload: workload.parse().unwrap(),
        task: task.to_owned(),
        parameters: pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        wanted,
        // Noon.
        circumstances: Circumstances::opening(UnixMillis::new(1_795_262_400_000)),
    };
    let explanation = explain(&policy, &input);
    let mut text = format!("{workload} {task} {pairs:?}\n");
    match explanation.decision.allowed() {
        Ok(_) => text.push_str("  allowed\n"),
        Err(denied) => {
            writeln!(text, "  {}: {}", denied.reason.code(), denied.explanation).unwrap();
        }
    }
    for grant in &explanation.grants {
        let failed = grant.failed.as_ref().map(|f| {
            let value = f.value.as_deref().unwrap_or("nothing");
            format!("{} must be {}, is {value}", f.condition, f.expected)
        });
        let failed = failed.unwrap_or_else(|| "applies".to_owned());
        let mode = grant.mode.as_str();
        writeln!(text, "  {} ({mode}): {failed}", grant.grant).unwrap();
    }
    for guardrail in &explanation.decision.guardrails {
        writeln!(
            text,
            "  {} ({}): {} {}",
            guardrail.name,
            guardrail.place,
            guardrail.values,
            guardrail.error.as_deref().unwrap_or_default()
        )
        .unwrap();
    }
    for lifetime in &explanation.lifetimes {
        let limits: Vec<_> = lifetime.limits.iter().map(ToString::to_string).collect();
        writeln!(text, "  {}: {}", lifetime.credential, limits.join(" < ")).unwrap();
    }
    for miss in &explanation.near_misses {
        writeln!(text, "  {}: {}", miss.change, miss.outcome).unwrap();
    }
    for unmet in &explanation.unmet {
        let parts = unmet.parts.join(" ## ");
        writeln!(text, "  {}: {}", unmet.change, unmet.condition).unwrap();
        writeln!(text, "    {} [{parts}]", unmet.values).unwrap();
    }
    if !explanation.own_tasks.is_empty() {
        writeln!(text, "  may do {}", explanation.own_tasks.join(", ")).unwrap();
    }
    text
}

#[test]
fn the_real_cause_and_what_would_have_to_be_otherwise() {
    let main = ("ref", "refs/heads/main");
    let asked = |name: &str, scopes: &[&str], seconds: Option<u64>| Wanted {
        name: name.to_owned(),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        lifetime: seconds.map(std::time::Duration::from_secs),
    };
    let requests = [
        (CI, "deploy-docs", vec![main], vec![]),
        (
            OTHER_CI,
            "deploy-docs",
            vec![main],
            vec![asked("docs", &[], Some(30))],
        ),
        (CI, "deploy-doc", vec![main], vec![]),
        (CI, "nothing-like-it", vec![main], vec![]),
        (
            "spiffe://acme.example/dev/ci/docs",
            "deploy-docs",
            vec![main],
            vec![],
        ),
        (
            "spiffe://acme.example/dev/ci/docs",
            "deploy-docs",
            vec![("ref", "x")],
            vec![],
        ),
        (
            "spiffe://other.example/prod/ci/docs/1",
            "deploy-docs",
            vec![main],
            vec![],
        ),
        (CI, "deploy-docs", vec![("ref", "refs/heads/main2")], vec![]),
        (CI, "deploy-docs", vec![], vec![]),
        (CI, "deploy-docs", vec![main, ("color", "red")], vec![]),
        (CI, "deploy-docs", vec![main, ("force", "yes")], vec![]),
        (
            CI,
            "deploy-docs",
            vec![main],
            vec![asked("docs", &[], None), asked("dev-docs", &[], None)],
        ),
        (
            CI,
            "deploy-docs",
            vec![main],
            vec![asked("nope", &[], None)],
        ),
        (
            CI,
            "deploy-docs",
            vec![main],
            vec![asked("docs", &["docs:write"], None)],
        ),
        (LAB, "deploy-docs", vec![main], vec![]),
        (
            "spiffe://acme.example/prod/ci/night",
            "build",
            vec![],
            vec![],
        ),
        (OTHER_CI, "build", vec![], vec![]),
        (
            "spiffe://acme.example/dev/ci/freezer",
            "build",
            vec![],
            vec![],
        ),
    ];
    let (weekdays, small, sum) = (
        "spiffe://acme.example/prod/scan/weekdays",
        "spiffe://acme.example/prod/scan/small",
        "spiffe://acme.example/prod/scan/sum",
    );
    let of_conditions = [
        (weekdays, "scan", vec![], vec![]),
        (weekdays, "scan", vec![("levl", "low")], vec![]),
        (weekdays, "scan", vec![("level", "high")], vec![]),
        (small, "scan", vec![("level", "high")], vec![]),
        (
            sum,
            "scan",
            vec![("level", "low"), ("attempt", "1")],
            vec![],
        ),
        (
            small,
            "scan",
            vec![("level", "low"), ("attempt", "5")],
            vec![],
        ),
        (
            "spiffe://acme.example/both/x",
            "scan",
            vec![("level", "low")],
            vec![],
        ),
        (
            "spiffe://acme.example/both/x",
            "scan",
            vec![("level", "low")],
            vec![asked("dev-docs", &[], None)],
        ),
    ];
    let requests = requests.into_iter().chain(of_conditions);
    let mut all = String::new();
    for (workload, task, pairs, wanted) in requests {
        all.push_str(&explained(workload, task, &pairs, wanted));
    }
    insta::assert_snapshot!(all);
}
