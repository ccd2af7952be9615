//! One policy with its installation and its guardrails, and edits of them.

pub(super) const POLICY: &str = r#"
[task.deploy-docs]
owner = "docs@acme.example"
purpose = "publish the documentation"
max_duration = "30m"
params.ref = { type = "path" }
params.color = { type = "one_of", values = ["blue", "green"], optional = true }

[[task.deploy-docs.grant]]
workload = "spiffe://acme.example/prod/ci/**"
credentials = ["docs", "tickets"]

[[task.deploy-docs.grant]]
workload = "spiffe://acme.example/prod/ci/site"
credentials = ["docs"]
max_ttl = "2m"

[task.build]
owner = "build@acme.example"
purpose = "build"
params.attempt = { type = "integer", min = 1, max = 5 }

[[task.build.grant]]
workload = ["spiffe://acme.example/prod/ci/*", "spiffe://acme.example/dev/ci/*"]
credentials = ["cache", "dev-cache"]
max_live_jobs = 10

[task."agent/answer"]
owner = "agents@acme.example"
purpose = "answer tickets"

[[task."agent/answer".grant]]
workload = "spiffe://acme.example/prod/agents/*"
credentials = ["tickets"]

# second file
[credential.docs]
issuer = "local"
audience = "docs"
scopes = ["docs:read", "ref:${params.ref}"]
ttl = "10m"
environment = "prod"

[credential.tickets]
issuer = "local"
audience = "tickets"
scopes = ["tickets:read"]
ttl = "5m"
environment = "any"

[credential.cache]
issuer = "local"
audience = "docs"
scopes = ["cache:write"]
ttl = "15m"
environment = "any"

[credential.dev-cache]
issuer = "local"
audience = "docs"
scopes = ["cache:dev"]
ttl = "15m"
environment = "dev"

[audience.docs]
uri = "https://docs.acme.example"
verifiers = ["spiffe://acme.example/prod/docs-api"]

[audience.tickets]
uri = "https://tickets.acme.example"

[environment.prod]
workloads = ["spiffe://acme.example/prod/**"]

[environment.dev]
workloads = ["spiffe://acme.example/dev/**"]

[identity.answerer]
workload = "spiffe://acme.example/prod/agents/*"
kind = "agent"
owner = "agents@acme.example"
tools = ["answer"]
"#;

pub(super) const INSTALLATION: &str = r#"
max_ttl = "1h"
max_duration = "8h"
forbidden_audiences = ["https://payroll.acme.example"]

[issuer.local]
kind = "jwt"

[issuer.other]
kind = "jwt"
"#;

pub(super) const GUARDRAILS: &str = r#"@id("nights") forbid(principal, action, resource) when { context.time.hour > 22 };
"#;

/// What is edited, and the text that is replaced by another.
pub(super) const EDITS: &[(&str, &str, &str)] = &[
    (
        "a comment",
        "# second file",
        "# second file, with a comment",
    ),
    (
        "another owner",
        "owner = \"build@acme.example\"",
        "owner = \"ci@acme.example\"",
    ),
    (
        "a grant split in two",
        "workload = [\"spiffe://acme.example/prod/ci/*\", \"spiffe://acme.example/dev/ci/*\"]\ncredentials = [\"cache\", \"dev-cache\"]\nmax_live_jobs = 10",
        "workload = \"spiffe://acme.example/dev/ci/*\"\ncredentials = [\"dev-cache\", \"cache\"]\nmax_live_jobs = 10\n[[task.build.grant]]\nworkload = \"spiffe://acme.example/prod/ci/*\"\ncredentials = [\"dev-cache\", \"cache\"]\nmax_live_jobs = 10",
    ),
    (
        "a grant for workloads that have it already",
        "[task.build]",
        "[[task.deploy-docs.grant]]\nworkload = \"spiffe://acme.example/prod/ci/a/b\"\ncredentials = [\"docs\"]\n\n[task.build]",
    ),
    (
        "a grant for more workloads",
        "[task.build]",
        "[[task.deploy-docs.grant]]\nworkload = \"spiffe://acme.example/prod/ops/*\"\ncredentials = [\"docs\"]\n\n[task.build]",
    ),
    (
        "a workload less",
        "workload = [\"spiffe://acme.example/prod/ci/*\", \"spiffe://acme.example/dev/ci/*\"]",
        "workload = [\"spiffe://acme.example/prod/ci/*\"]",
    ),
    (
        "a wider pattern",
        "workload = \"spiffe://acme.example/prod/agents/*\"\ncredentials",
        "workload = \"spiffe://acme.example/prod/**\"\ncredentials",
    ),
    (
        "a narrower pattern",
        "workload = \"spiffe://acme.example/prod/ci/**\"",
        "workload = \"spiffe://acme.example/prod/ci/*\"",
    ),
    (
        "the grant that shortened a lifetime is gone",
        "[[task.deploy-docs.grant]]\nworkload = \"spiffe://acme.example/prod/ci/site\"\ncredentials = [\"docs\"]\nmax_ttl = \"2m\"\n",
        "",
    ),
    (
        "a longer grant lifetime",
        "max_ttl = \"2m\"",
        "max_ttl = \"3m\"",
    ),
    (
        "a grant lifetime without effect",
        "max_ttl = \"2m\"",
        "max_ttl = \"2m\" # 120s",
    ),
    (
        "another credential in a grant",
        "credentials = [\"tickets\"]",
        "credentials = [\"tickets\", \"cache\"]",
    ),
    (
        "a credential less in a grant",
        "credentials = [\"docs\", \"tickets\"]",
        "credentials = [\"docs\"]",
    ),
    (
        "a scope more",
        "scopes = [\"cache:write\"]",
        "scopes = [\"cache:write\", \"cache:purge\"]",
    ),
    (
        "a scope less",
        "scopes = [\"docs:read\", \"ref:${params.ref}\"]",
        "scopes = [\"ref:${params.ref}\"]",
    ),
    (
        "scopes in another order",
        "scopes = [\"docs:read\", \"ref:${params.ref}\"]",
        "scopes = [\"ref:${params.ref}\", \"docs:read\"]",
    ),
    ("a shorter lifetime", "ttl = \"5m\"", "ttl = \"4m\""),
    ("a longer lifetime", "ttl = \"10m\"", "ttl = \"20m\""),
    (
        "the same lifetime in other words",
        "ttl = \"10m\"",
        "ttl = \"600s\"",
    ),
    (
        "another issuer",
        "issuer = \"local\"\naudience = \"tickets\"",
        "issuer = \"other\"\naudience = \"tickets\"",
    ),
    (
        "another audience URI",
        "uri = \"https://tickets.acme.example\"",
        "uri = \"https://tickets2.acme.example\"",
    ),
    (
        "a credential for every environment",
        "scopes = [\"cache:dev\"]\nttl = \"15m\"\nenvironment = \"dev\"",
        "scopes = [\"cache:dev\"]\nttl = \"15m\"\nenvironment = \"any\"",
    ),
    (
        "an environment without a part",
        "workloads = [\"spiffe://acme.example/prod/**\"]",
        "workloads = [\"spiffe://acme.example/prod/ops/**\", \"spiffe://acme.example/prod/ci/site\"]",
    ),
    (
        "environments that overlap",
        "workloads = [\"spiffe://acme.example/dev/**\"]",
        "workloads = [\"spiffe://acme.example/dev/**\", \"spiffe://acme.example/prod/ci/site\"]",
    ),
    (
        "a job that may live longer",
        "max_duration = \"30m\"",
        "max_duration = \"40m\"",
    ),
    (
        "a job that lives shorter than its credentials did",
        "max_duration = \"30m\"",
        "max_duration = \"3m\"",
    ),
    ("fewer open jobs", "max_live_jobs = 10", "max_live_jobs = 9"),
    (
        "more open jobs",
        "max_live_jobs = 10",
        "max_live_jobs = 500",
    ),
    (
        "a credential with a limit of its own, at times",
        "# second file",
        "[[task.build.grant]]\nworkload = \"spiffe://acme.example/prod/ci/*\"\ncredentials = [\"tickets\"]\nmax_live_jobs = 5\nwhen = 'context.time.hour < 20'\n",
    ),
    (
        "a lower limit at times",
        "# second file",
        "[[task.build.grant]]\nworkload = \"spiffe://acme.example/dev/ci/*\"\ncredentials = [\"cache\"]\nmax_live_jobs = 4\nunless = 'context.time.hour < 9'\n",
    ),
    (
        "a parameter's pattern",
        "params.ref = { type = \"path\" }",
        "params.ref = { type = \"path\", pattern = \"main|release/.*\" }",
    ),
    (
        "a parameter's values",
        "values = [\"blue\", \"green\"]",
        "values = [\"blue\", \"green\", \"red\"]",
    ),
    (
        "a parameter's range",
        "min = 1, max = 5",
        "min = 1, max = 4",
    ),
    (
        "a parameter that has to be there",
        "values = [\"blue\", \"green\"], optional = true",
        "values = [\"blue\", \"green\"]",
    ),
    (
        "a new parameter",
        "params.attempt = ",
        "params.note = { type = \"text\", optional = true }\nparams.attempt = ",
    ),
    (
        "a new task",
        "# second file",
        "[task.purge]\nowner = \"docs@acme.example\"\npurpose = \"purge\"\n[[task.purge.grant]]\nworkload = \"spiffe://acme.example/prod/ops/*\"\ncredentials = [\"cache\"]\n",
    ),
    (
        "a new task that nobody may do",
        "# second file",
        "[task.purge]\nowner = \"docs@acme.example\"\npurpose = \"purge\"\n",
    ),
    (
        "a task less",
        "[[task.\"agent/answer\".grant]]\nworkload = \"spiffe://acme.example/prod/agents/*\"\ncredentials = [\"tickets\"]\n",
        "",
    ),
    (
        "a task with another name",
        "[task.\"agent/answer\"]\nowner = \"agents@acme.example\"\npurpose = \"answer tickets\"\n\n[[task.\"agent/answer\".grant]]",
        "[task.\"agent/reply\"]\nowner = \"agents@acme.example\"\npurpose = \"answer tickets\"\n\n[[task.\"agent/reply\".grant]]",
    ),
    (
        "one verifier more",
        "verifiers = [\"spiffe://acme.example/prod/docs-api\"]",
        "verifiers = [\"spiffe://acme.example/prod/docs-api\", \"spiffe://acme.example/prod/docs-api/*\"]",
    ),
    (
        "an agent with another tool",
        "tools = [\"answer\"]",
        "tools = [\"answer\", \"search\"]",
    ),
    ("a higher ceiling", "max_ttl = \"1h\"", "max_ttl = \"2h\""),
    (
        "a higher ceiling that tasks without their own have",
        "max_duration = \"8h\"",
        "max_duration = \"9h\"",
    ),
    (
        "an audience that is no longer forbidden",
        "forbidden_audiences = [\"https://payroll.acme.example\"]",
        "forbidden_audiences = []",
    ),
    (
        "only some audiences are allowed",
        "[issuer.local]",
        "allowed_audiences = [\"https://docs.acme.example\", \"https://tickets.acme.example\"]\n[issuer.local]",
    ),
    (
        "a ceiling of an environment",
        "[issuer.other]",
        "[ceiling.dev]\nmax_ttl = \"20m\"\nissuers = [\"local\"]\n[issuer.other]",
    ),
    (
        "jobs end with their grants",
        "[issuer.local]",
        "on_withdrawn_grant = \"end-jobs\"\n[issuer.local]",
    ),
    (
        "an issuer more",
        "[issuer.other]",
        "[issuer.third]\nkind = \"jwt\"\n[issuer.other]",
    ),
    (
        "tokens signed otherwise",
        "scopes = [\"tickets:read\"]",
        "scopes = [\"tickets:read\"]\nalgorithm = \"RS256\"",
    ),
    (
        "tokens of another shape",
        "scopes = [\"cache:write\"]",
        "scopes = [\"cache:write\"]\nshape = \"jwt-svid\"",
    ),
    (
        "claims",
        "scopes = [\"docs:read\", \"ref:${params.ref}\"]",
        "scopes = [\"docs:read\", \"ref:${params.ref}\"]\nclaims = { team = \"docs\", ref = \"r:${params.ref}\", regions = [\"eu\"], level = 3 }",
    ),
    (
        "the claims by name that tokens have anyway",
        "scopes = [\"cache:dev\"]",
        "scopes = [\"cache:dev\"]\nalgorithm = \"ES256\"\nshape = \"access-token\"\nclaims = {}",
    ),
    (
        "a condition",
        "max_live_jobs = 10",
        "max_live_jobs = 10\nwhen = 'context.params.attempt < 3'",
    ),
    (
        "another condition",
        "max_live_jobs = 10",
        "max_live_jobs = 10\nwhen = 'context.params.attempt < 4'",
    ),
    (
        "a condition and its exception",
        "max_live_jobs = 10",
        "max_live_jobs = 10\nwhen = 'context.time.hour < 20'\nunless = 'context.params.attempt == 4'",
    ),
    (
        "a condition beside what is given always",
        "max_ttl = \"2m\"",
        "max_ttl = \"2m\"\nwhen = 'context.time.hour > 11'",
    ),
    (
        "a condition of a credential that somebody else has always",
        "workload = \"spiffe://acme.example/prod/ci/**\"",
        "unless = 'context.params has color'\nworkload = \"spiffe://acme.example/prod/ci/**\"",
    ),
    (
        "a grant that is only tried out",
        "max_live_jobs = 10",
        "max_live_jobs = 10\nmode = \"audit\"",
    ),
    (
        "a guardrail in another layout, under another name",
        "@id(\"nights\") forbid(principal, action, resource) when { context.time.hour > 22 };",
        "// Not at night.\n@id(\"no-nights\")\n@description(\"forbid it\")\nforbid (principal,action,resource)\nwhen {\n  context.time.hour>22 // 23 h\n};",
    ),
    (
        "a guardrail that forbids more",
        "context.time.hour > 22",
        "context.time.hour > 11",
    ),
    (
        "a guardrail for one task",
        "@id(\"nights\")",
        "forbid(principal, action, resource == Task::\"build\") when { context.params.attempt > 3 };\n@id(\"nights\")",
    ),
    (
        "no guardrail",
        "@id(\"nights\") forbid(principal, action, resource) when { context.time.hour > 22 };",
        "",
    ),
];
