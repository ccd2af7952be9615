//! What is allowed, and likely a mistake.

/// What is changed in the sample policy, and to what.
pub(super) const DOUBTS: &[(&str, &str)] = &[
    (
        "[[task.\"agent/answer\".grant]]\nworkload = \"spiffe://acme.example/dev/agents/**\"\ncredentials = [\"dev-api\"]\n",
        "",
    ),
    ("owner = \"agents@acme.example\"", "owner = \"TODO\""),
    (
        "spiffe://acme.example/dev/agents/**",
        "spiffe://acme.example/**",
    ),
    (
        "spiffe://acme.example/dev/agents/**",
        "spiffe://acme.example/*/*",
    ),
    (
        "spiffe://acme.example/dev/agents/**",
        "spiffe://acme.example/dve/agents/**",
    ),
    (
        "spiffe://acme.example/dev/agents/**",
        "spiffe://acme.exmaple/dev/agents/**",
    ),
    (
        "spiffe://acme.example/dev/agents/**",
        "spiffe://acme.example/prod/agents/**",
    ),
    (
        "spiffe://acme.example/prod/docs-api",
        "spiffe://acme.example/prdo/docs-api",
    ),
    (
        "spiffe://acme.example/prod/docs-api",
        "spiffe://acme.example/**",
    ),
    ("[\"docs-api\", \"tickets-api\"]", "[\"docs-api\"]"),
    (
        "[\"docs-api\", \"tickets-api\"]",
        "[\"docs-api\", \"dev-api\", \"tickets-api\"]",
    ),
    ("max_ttl = \"2m\"", "max_ttl = \"1h\""),
    (
        "workload = \"spiffe://acme.example/prod/ci/*\"",
        "workload = [\"spiffe://acme.example/prod/ci/*\", \"spiffe://acme.example/prod/ci/docs\", \"spiffe://acme.example/prod/ci/*\"]",
    ),
    (
        "credentials = [\"dev-api\"]",
        "credentials = [\"dev-api\"]\nmode = \"audit\"",
    ),
    ("max_live_jobs = 3", "when = 'true'"),
    ("max_live_jobs = 3", "when = '1 == 2'"),
    ("max_live_jobs = 3", "unless = 'true'"),
    ("max_live_jobs = 3", "unless = 'false'"),
    (
        "max_live_jobs = 3",
        "when = 'context.time.hour >= 22 && context.time.hour < 6'",
    ),
    (
        "max_live_jobs = 3",
        "unless = 'context.environment != \"dev\" || context.environment != \"prod\"'",
    ),
    ("max_live_jobs = 3", "when = 'context.time.hour > 24'"),
    (
        "max_live_jobs = 3",
        "when = 'context.subject like \"spiffe://acme.exmaple/prod/ci*\"'",
    ),
    (
        "max_live_jobs = 3",
        "when = 'context.time.hour >= 800 && context.time.hour < 1800'",
    ),
    (
        "max_live_jobs = 3",
        "when = '!(context.time.weekday != 6 || context.time.weekday != 7)'",
    ),
    (
        "max_live_jobs = 3",
        "when = 'context.environment == \"dev\"'",
    ),
    (
        "max_live_jobs = 3",
        "when = 'context.params.ref like \"main*\"'",
    ),
    (
        "max_live_jobs = 3",
        "when = 'context.risk.exposed'\nunless = 'context.risk.exposed'",
    ),
    (
        "max_live_jobs = 3",
        "when = 'context.reported has uid && context.reported.uid == 0'",
    ),
    (
        "max_live_jobs = 3",
        "unless = 'context.path like \"/prdo/ci/*\"'",
    ),
    (
        "max_live_jobs = 3",
        "unless = 'context.identity.tools.contains(\"serach\")'",
    ),
    (
        "max_live_jobs = 3",
        "when = 'context.path like \"prod/ci/*\"'",
    ),
    (
        "max_live_jobs = 3",
        "when = 'context.risk.elevated || context.path == \"/prod/ci/docs/\"'",
    ),
    (
        "[credential.docs-api]",
        "[[task.deploy-docs.grant]]\nworkload = \"spiffe://acme.example/prod/ci/docs\"\ncredentials = [\"docs-api\"]\n[credential.docs-api]",
    ),
    (
        "[credential.docs-api]",
        "[[task.deploy-docs.grant]]\nworkload = \"spiffe://acme.example/prod/ci/*\"\ncredentials = [\"docs-api\"]\nmax_live_jobs = 9\n[credential.docs-api]",
    ),
    (
        "spiffe://acme.example/dev/**",
        "spiffe://acme.example/prod/**",
    ),
    (
        "spiffe://acme.example/dev/**",
        "spiffe://acme.example/*/agents/**",
    ),
    (
        "spiffe://acme.example/dev/**",
        "spiffe://acme.example/prod/ci/docs",
    ),
    ("\"docs:read\", \"repo:", "\"repo:${params.ref}\", \"repo:"),
    ("repo:${params.ref}", "repo:{ref}"),
    ("repo:${params.ref}", "repo:%{params.ref}"),
    ("repo:${params.ref}", "repo:$(params.ref)"),
    ("repo:${params.ref}", "repo:<ref>"),
    ("repo:${params.ref}", "repo:$params.ref"),
    ("repo:${params.ref}", "repo:{{params.ref}}"),
    (", pattern = \"refs/heads/(main|release/[a-z0-9.-]+)\"", ""),
    ("refs/heads/(main|release/[a-z0-9.-]+)", ".+"),
    ("refs/heads/(main|release/[a-z0-9.-]+)", "refs/heads/*"),
    (
        "refs/heads/(main|release/[a-z0-9.-]+)",
        "release/[0-9]+.[0-9]+",
    ),
    ("refs/heads/(main|release/[a-z0-9.-]+)", "refs/heads/main "),
    ("refs/heads/(main|release/[a-z0-9.-]+)", ""),
    ("type = \"path\", pattern", "type = \"token\", pattern"),
    (
        "params.color",
        "params.size = { type = \"token\" }\nparams.color",
    ),
    (
        "[audience.tickets]",
        "[audience.unused]\nuri = \"https://unused.acme.example\"\n[audience.tickets]",
    ),
];

/// Guardrails that are likely mistakes.
pub(super) const GUARDRAILS: &[&str] = &[
    "forbid(principal, action, resource);",
    "forbid(principal, action, resource) when { true };",
    "forbid(principal, action, resource) when { false };",
    "forbid(principal, action, resource) when { context.time.hour > 22 && context.time.hour < 6 };",
    "forbid(principal, action, resource) unless { context.time.hour > 6 || context.time.hour < 22 };",
    "forbid(principal, action, resource) when { context.path like \"prod/*\" };",
    "forbid(principal, action, resource) when { context.path like \"/prdo/*\" };",
    "forbid(principal, action, resource) unless { context.subject like \"spiffe://acme.exmaple/*\" };",
    "forbid(principal == Workload::\"spiffe://acme.example/pord/ci/docs\", action, resource);",
    "forbid(principal, action, resource) unless { context.trust_domain == \"acme.exmaple\" };",
    "forbid(principal is Workload, action, resource is Task);",
];
