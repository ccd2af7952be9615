//! A policy without mistakes.

/// Two tasks, two environments, every type of parameter, nothing doubtful.
pub(super) const POLICY: &str = r#"
[task.deploy-docs]
owner = "docs-platform@acme.example"
purpose = "publish the documentation site"
params.ref = { type = "path", pattern = "refs/heads/(main|release/[a-z0-9.-]+)" }
params.color = { type = "one_of", values = ["blue", "green"], optional = true }
params.note = { type = "text", optional = true }
max_duration = "30m"

[[task.deploy-docs.grant]]
workload = "spiffe://acme.example/prod/ci/*"
credentials = ["docs-api", "ci-cache"]

[[task.deploy-docs.grant]]
workload = ["spiffe://acme.example/shared/docs", "spiffe://acme.example/prod/**"]
credentials = ["docs-api", "tickets-api"]
max_ttl = "2m"
max_live_jobs = 3

[task."agent/answer"]
owner = "agents@acme.example"
purpose = "answer a ticket"

[[task."agent/answer".grant]]
workload = "spiffe://acme.example/dev/agents/**"
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

[credential.ci-cache]
issuer = "local"
audience = "docs"
scopes = ["cache"]
ttl = "10m"
environment = "any"

[audience.docs]
uri = "https://docs.acme.example"
verifiers = ["spiffe://acme.example/prod/docs-api"]

[audience.tickets]
uri = "https://tickets.acme.example"

[environment.prod]
workloads = ["spiffe://acme.example/prod/**", "spiffe://acme.example/shared/**"]

[environment.dev]
workloads = ["spiffe://acme.example/dev/**"]

[identity.helper]
workload = "spiffe://acme.example/dev/agents/helper"
kind = "agent"
owner = "agents@acme.example"
tools = ["search"]
"#;
