//! The policy as a whole: files in, decisions and findings out.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{
    Circumstances, Decision, Denied, Diagnostic, Installation, Policy, Request, Severity,
    SourceFile, Wanted,
};
use crate::domain::policy::condition::{Condition, Looks};
use crate::domain::policy::guardrail::{Guardrail, Guardrails};
use crate::domain::time::UnixMillis;

mod conditions;
mod decisions;
mod examples;
mod fuzz;
mod guardrails;
mod mistakes;
mod possible;
mod properties;
mod token_forms;

/// Two tasks, three credentials, two environments, every type of parameter.
const POLICY: &str = r#"
[task.deploy-docs]
owner = "docs-platform@acme.example"
purpose = "publish the documentation site"
params.ref = { type = "path", pattern = "refs/heads/(main|release/[a-z0-9.-]+)" }
params.color = { type = "one_of", values = ["blue", "green"], optional = true }
params.note = { type = "text", optional = true }
max_duration = "30m"

[[task.deploy-docs.grant]]
workload = "spiffe://acme.example/prod/ci/*"
credentials = ["docs-api", "dev-api"]

[[task.deploy-docs.grant]]
workload = ["spiffe://acme.example/prod/ci/docs", "spiffe://acme.example/prod/**"]
credentials = ["docs-api", "tickets-api"]
max_ttl = "2m"
max_live_jobs = 3

[task."agent/answer"]
owner = "agents@acme.example"
purpose = "answer a ticket"

[[task."agent/answer".grant]]
workload = "spiffe://acme.example/*/agents/**"
credentials = ["dev-api"]

[credential.docs-api]
issuer = "local"
audience = "docs"
scopes = ["docs:read", "repo:${params.ref}"]
ttl = "10m"
environment = "prod"

[credential.dev-api]
issuer = "local"
audience = "docs"
scopes = ["docs:read"]
ttl = "10m"
environment = "dev"

[credential.tickets-api]
issuer = "local"
audience = "tickets"
scopes = []
ttl = "1h"
environment = "any"

[audience.docs]
uri = "https://docs.acme.example"
verifiers = ["spiffe://acme.example/prod/docs-api"]

[audience.tickets]
uri = "https://tickets.acme.example"

[environment.prod]
workloads = ["spiffe://acme.example/prod/**", "spiffe://acme.example/shared/**"]

[environment.dev]
workloads = ["spiffe://acme.example/dev/**", "spiffe://acme.example/shared/agents/*"]
"#;

const INSTALLATION: &str = r#"
max_ttl = "1h"
max_duration = "8h"
forbidden_audiences = ["https://payroll.acme.example/"]

[issuer.local]
kind = "jwt"
"#;

fn installation() -> Installation {
    Installation::parse(&SourceFile::new(
        "installation.toml",
        INSTALLATION.as_bytes(),
    ))
    .unwrap()
}

fn compile(files: &[(&str, &str)]) -> Result<Policy, Vec<Diagnostic>> {
    let files: Vec<_> = files
        .iter()
        .map(|(name, text)| SourceFile::new(*name, text.as_bytes()))
        .collect();
    Policy::compile(&files, &installation())
}

fn policy(text: &str) -> Policy {
    compile(&[("policy.toml", text)]).unwrap_or_else(|errors| panic!("{}", lines(&errors)))
}

fn lines(findings: &[Diagnostic]) -> String {
    findings.iter().fold(String::new(), |lines, finding| {
        lines + &finding.to_string() + "\n"
    })
}

fn parameters(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn decide(
    policy: &Policy,
    subject: &str,
    task: &str,
    pairs: &[(&str, &str)],
    wanted: &[Wanted],
) -> Decision {
    policy.decide(&Request {
        subject: &subject.parse().unwrap(),
        task,
        parameters: &parameters(pairs),
        wanted,
        circumstances: &at(NOON),
    })
}

/// Saturday, 2026-11-21 at noon, UTC.
const NOON: u64 = 1_795_262_400;

fn at(seconds: u64) -> Circumstances {
    Circumstances::opening(UnixMillis::new(seconds * 1000))
}

fn denied(decision: &Decision) -> Denied {
    decision.allowed().unwrap_err().clone()
}

/// The same policy with texts in place of others that no check has seen: what would be refused.
pub(super) fn unchecked(mut policy: Policy, replaced: &[(&str, &str)]) -> Policy {
    let change = |text: &str| {
        let changed = replaced
            .iter()
            .fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
        (changed != text).then_some(changed)
    };
    for grant in policy.tasks.values_mut().flat_map(|task| &mut task.grants) {
        for condition in [&mut grant.when, &mut grant.unless] {
            let changed = condition
                .as_ref()
                .and_then(|condition| change(condition.as_str()));
            if let Some(changed) = changed {
                *condition = Some(Arc::new(Condition::unchecked(&changed)));
            }
        }
    }
    let guardrail = |guardrail: &Guardrail| {
        let text = change(&guardrail.text).unwrap_or_else(|| guardrail.text.to_string());
        let rule = cedar_policy::Policy::parse(None, &text).unwrap();
        Guardrail {
            name: guardrail.name.clone(),
            place: guardrail.place.clone(),
            scope: guardrail.scope.clone(),
            looks: Looks::of_policy(&rule.to_json().unwrap()),
            policy: cedar_policy::PolicySet::from_policies([rule]).unwrap(),
            text: text.into(),
        }
    };
    let guardrails = policy.guardrails.all().iter().map(guardrail).collect();
    policy.guardrails = Guardrails::new(guardrails);
    policy
}
