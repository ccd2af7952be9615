//! Mistakes in files of tasks and credentials.

/// What is changed in the sample policy, and to what.
pub(super) const MISTAKES: &[(&str, &str)] = &[
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
        "credentials = [\"docs-api\", \"ci-cache\"]",
        "credentials = [\"docs-apo\", \"ci-cache\"]",
    ),
    (
        "credentials = [\"docs-api\", \"ci-cache\"]",
        "credentials = [\"github\"]",
    ),
    (
        "credentials = [\"docs-api\", \"ci-cache\"]",
        "credentials = []",
    ),
    (
        "credentials = [\"docs-api\", \"ci-cache\"]",
        "credentials = \"docs-api\"",
    ),
    (
        "credentials = [\"docs-api\", \"ci-cache\"]",
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
    // Names and headers.
    ("[task.deploy-docs]", "[tasks.deploy-docs]"),
    ("[task.deploy-docs]", "[task]"),
    ("[credential.tickets-api]", "[credentials.tickets-api]"),
    ("[credential.tickets-api]", "[credential]"),
    (
        "[[task.\"agent/answer\".grant]]",
        "[[task.\"agent/anwser\".grant]]",
    ),
    ("[[task.deploy-docs.grant]]", "[task.deploy-docs.grant]"),
    ("[environment.dev]", "[environment.dev"),
    // Keys.
    (
        "owner = \"agents@acme.example\"",
        "Owner = \"agents@acme.example\"",
    ),
    (
        "owner = \"agents@acme.example\"",
        "team = \"agents@acme.example\"",
    ),
    (
        "purpose = \"answer a ticket\"",
        "description = \"answer a ticket\"",
    ),
    (
        "workload = \"spiffe://acme.example/prod/ci/*\"",
        "who = \"spiffe://acme.example/prod/ci/*\"",
    ),
    ("credentials = [\"dev-api\"]", "credential = [\"dev-api\"]"),
    ("credentials = [\"dev-api\"]\n", ""),
    ("max_ttl = \"2m\"", "ttl = \"2m\""),
    ("ttl = \"1h\"", "max_ttl = \"1h\""),
    ("scopes = []", "scope = []"),
    ("uri = \"https://tickets", "url = \"https://tickets"),
    ("audience = \"tickets\"\n", ""),
    (
        "issuer = \"local\"\naudience = \"tickets\"",
        "audience = \"tickets\"",
    ),
    ("max_live_jobs = 3", "audit = true"),
    ("max_live_jobs = 3", "if = 'context.risk.exposed'"),
    // Values.
    ("ttl = \"1h\"", "ttl = 3600"),
    ("ttl = \"1h\"", "ttl = \"1 hour\""),
    ("ttl = \"1h\"", "ttl = \"PT1H\""),
    ("ttl = \"1h\"", "ttl = \"0.5h\""),
    ("ttl = \"1h\"", "ttl = \"30m0h\""),
    ("max_live_jobs = 3", "max_live_jobs = \"3\""),
    ("environment = \"dev\"", "environment = [\"dev\"]"),
    ("environment = \"dev\"", "environment = \"Dev\""),
    ("scopes = []", "scopes = [\"ticket:${ref}\"]"),
    ("https://tickets.acme.example", "tickets.acme.example"),
    (
        "type = \"text\", optional = true }\nmax",
        "type = \"string\" }\nmax",
    ),
    (
        "type = \"text\", optional = true }\nmax",
        "type = \"bool\" }\nmax",
    ),
    (
        "type = \"text\", optional = true }\nmax",
        "type = \"text\", required = false }\nmax",
    ),
    (
        "type = \"text\", optional = true }\nmax",
        "type = \"text\", optional = \"true\" }\nmax",
    ),
    ("type = \"path\", pattern", "typ = \"path\", pattern"),
    ("type = \"path\", pattern", "type = \"path\", regex"),
    // Patterns of workloads.
    ("spiffe://acme.example/prod/ci/*", "acme.example/prod/ci/*"),
    (
        "spiffe://acme.example/prod/ci/*",
        "spiffe://acme.example/prod/ci/",
    ),
    (
        "spiffe://acme.example/prod/ci/*",
        "spiffe://ACME.example/prod/ci/*",
    ),
    (
        "spiffe://acme.example/prod/ci/*",
        "spiffe://acme.example//prod/ci/*",
    ),
    (
        "spiffe://acme.example/prod/ci/*",
        "spiffe://acme.example/prod/ci/.*",
    ),
    ("spiffe://acme.example/prod/ci/*", "**"),
    // What is not TOML.
    (
        "owner = \"agents@acme.example\"",
        "owner = agents@acme.example",
    ),
    (
        "owner = \"agents@acme.example\"",
        "owner = \"agents@acme.example",
    ),
    (
        "owner = \"agents@acme.example\"",
        "owner = “agents@acme.example”",
    ),
    (
        "owner = \"agents@acme.example\"",
        "owner: \"agents@acme.example\"",
    ),
    (
        "owner = \"agents@acme.example\"",
        "owner == \"agents@acme.example\"",
    ),
    (
        "owner = \"agents@acme.example\"",
        "owner\u{a0}= \"agents@acme.example\"",
    ),
    ("\"answer a ticket\"", "\"answer a\u{7} ticket\""),
    ("type = \"text\", optional", "type = \"text\" optional"),
    ("optional = true }\nmax", "optional = True }\nmax"),
    ("optional = true }\nmax", "optional = true\nmax"),
    (
        "[\"docs-api\", \"ci-cache\"]",
        "[\"docs-api\" \"ci-cache\"]",
    ),
    (
        "[\"docs-api\", \"ci-cache\"]",
        "[\"docs-api\", \"ci-cache\"",
    ),
    ("release/[a-z0-9.-]+", "release\\.[a-z0-9.-]+"),
    (
        "max_live_jobs = 3",
        "when = \"context.environment == \"prod\"\"",
    ),
    // What is written elsewhere.
    (
        "owner = \"agents@acme.example\"\npurpose",
        "owner = \"agents@acme.example\", purpose",
    ),
    (
        "owner = \"agents@acme.example\"",
        "owner = \"agents@acme.example\";",
    ),
    (
        "owner = \"agents@acme.example\"",
        "<<<<<<< HEAD\nowner = \"agents@acme.example\"\n=======\nowner = \"docs@acme.example\"\n>>>>>>> main",
    ),
    (
        "[audience.tickets]",
        "[credential.dev-api]\nissuer = \"local\"\naudience = \"docs\"\nscopes = []\nttl = \"5m\"\nenvironment = \"dev\"\n\n[audience.tickets]",
    ),
    ("max_live_jobs = 3", "max_duration = \"10m\""),
    ("max_live_jobs = 3", "scopes = [\"docs:read\"]"),
    (
        "[credential.docs-api]",
        "[task.deploy-docs.credential.docs-api]",
    ),
    ("[\"blue\", \"green\"]", "\"blue,green\""),
    ("refs/heads/(main|release/[a-z0-9.-]+)", "*"),
    ("refs/heads/(main|release/[a-z0-9.-]+)", "*-prod"),
    ("refs/heads/(main|release/[a-z0-9.-]+)", "{main,release}"),
    ("refs/heads/(main|release/[a-z0-9.-]+)", "(?!main).*"),
    ("refs/heads/(main|release/[a-z0-9.-]+)", "(main|release"),
    ("refs/heads/(main|release/[a-z0-9.-]+)", "[a-z"),
    ("repo:${params.ref}", "repo:${{ params.ref }}"),
    ("repo:${params.ref}", "repo:{{ params.ref }} read"),
    ("repo:${params.ref}", "repo:${context.params.ref}"),
    ("repo:${params.ref}", "repo:${param.ref}"),
    ("repo:${params.ref}", "repo:${params.Ref}"),
    ("repo:${params.ref}", "repo:${params.ref:-main}"),
    ("repo:${params.ref}", "repo:${params.ref} docs:write"),
    (
        "workload = \"spiffe://acme.example/prod/ci/*\"",
        "workload = \"spiffe://acme.example/prod/ci/a, spiffe://acme.example/prod/ci/b\"",
    ),
    (
        "spiffe://acme.example/prod/ci/*",
        "spiffe://acme.example/prod/ci/docs-*",
    ),
    ("https://tickets.acme.example", "https://*.acme.example"),
    ("https://tickets.acme.example", "https://docs.acme.example/"),
    (
        "audience = \"tickets\"",
        "audience = \"https://tickets.acme.example/\"",
    ),
    ("environment = \"dev\"", "environment = [\"dev\", \"prod\"]"),
    ("environment = \"dev\"", "environment = \"*\""),
    ("environment = \"dev\"", "environment = \"all\""),
    ("[\"blue\", \"green\"]", "[1, 2]"),
    (
        "max_live_jobs = 3",
        "when = [\"context.risk.exposed\", \"context.risk.elevated\"]",
    ),
    ("[task.deploy-docs]", "[[task.deploy-docs]]"),
    ("[environment.dev]", "[[environment.dev]]"),
    (
        "[audience.tickets]",
        "[[test]]\nname = \"x\"\n[audience.tickets]",
    ),
];
