//! Widenings that are easily passed over.

use super::*;

const HEAD: &str = r#"
[task.build]
owner = "build@acme.example"
purpose = "build"
params.attempt = { type = "integer", min = 1, max = 5 }

[credential.cache]
issuer = "local"
audience = "docs"
scopes = ["cache:write"]
ttl = "10m"
environment = "any"

[credential.logs]
issuer = "local"
audience = "docs"
scopes = ["logs:write"]
ttl = "10m"
environment = "any"

[credential.extra]
issuer = "local"
audience = "docs"
scopes = ["extra:read"]
ttl = "10m"
environment = "any"

[audience.docs]
uri = "https://docs.acme.example"
"#;

/// The lines of the difference between two policies that differ in what follows the head.
fn lines(old: &str, new: &str) -> Vec<String> {
    let facts = installation(INSTALLATION);
    let compiled = |text: &str| compile(&format!("{HEAD}\n{text}"), &facts);
    let (old, new) = (compiled(old), compiled(new));
    let side = |policy| Side {
        policy,
        installation: &facts,
    };
    let changes = diff(side(&old), side(&new)).changes;
    let line = |change: &Change| format!("{} {}", change.direction, change.sentence());
    changes.iter().map(line).collect()
}

/// A grant of the task to every builder.
fn grant(credential: &str, rest: &str) -> String {
    format!(
        "[[task.build.grant]]\nworkload = \"spiffe://acme.example/ci/*\"\n\
         credentials = [\"{credential}\"]\n{rest}\n"
    )
}

#[test]
fn a_higher_limit_of_one_credential_is_listed_though_another_has_a_lower_one() {
    let low = grant("logs", "max_live_jobs = 1");
    let with = |limit: &str| low.clone() + &grant("cache", limit);
    assert_eq!(
        lines(&with("max_live_jobs = 2"), &with("max_live_jobs = 500")),
        ["widened open jobs of one workload with credential `cache`: 2 → 500"]
    );
    assert_eq!(
        lines(&with("max_live_jobs = 2"), &with("max_live_jobs = 2")),
        [""; 0]
    );
}

#[test]
fn limits_that_change_their_conditions_are_listed() {
    let early = "when = 'context.time.hour < 6'";
    let first = "when = 'context.params.attempt == 1'";
    let of = |one: u32, other: u32| {
        grant("cache", &format!("max_live_jobs = {one}\n{early}"))
            + &grant("cache", &format!("max_live_jobs = {other}\n{first}"))
    };
    assert_eq!(
        lines(&of(2, 50), &of(50, 2)),
        [
            "widened open jobs of one workload: 2 when context.time.hour < 6 → 50 when context.time.hour < 6",
            "narrowed open jobs of one workload: 50 when context.params.attempt == 1 → 2 when context.params.attempt == 1",
        ]
    );
    // The condition shortens no lifetime.
    let always = grant("cache", "");
    let under = |condition: &str| {
        always.clone() + &grant("cache", &format!("max_live_jobs = 2\n{condition}"))
    };
    assert_eq!(
        lines(&under(early), &under(first)),
        [
            "changed open jobs of one workload: 2 when context.time.hour < 6 → 2 when context.params.attempt == 1"
        ]
    );
    assert_eq!(
        lines(&under(early), &always),
        ["widened open jobs of one workload: loses 2 when context.time.hour < 6"]
    );
}

#[test]
fn what_only_a_grant_in_audit_mode_would_give_is_listed() {
    let enforced = grant("logs", "");
    let audit =
        |rest: &str| enforced.clone() + &grant("cache", &format!("mode = \"audit\"\n{rest}"));
    let line =
        |text: &str| format!("changed credential `cache` in audit mode (gives nothing): {text}");
    assert_eq!(
        lines(&enforced, &audit("max_ttl = \"2m\"")),
        [line("gains cache:write, 2m, 100 open jobs")]
    );
    assert_eq!(
        lines(
            &audit("max_ttl = \"2m\""),
            &audit("max_ttl = \"5m\"\nmax_live_jobs = 900")
        ),
        [
            line("lifetime 2m → lifetime 5m"),
            line("open jobs 100 → open jobs 900"),
        ]
    );
    let facts = installation(INSTALLATION);
    let text = format!("{HEAD}\n{}", audit(""));
    let wider = text.replace("\"cache:write\"", "\"cache:write\", \"cache:purge\"");
    let (old, new) = (compile(&text, &facts), compile(&wider, &facts));
    let side = |policy| Side {
        policy,
        installation: &facts,
    };
    let changes = diff(side(&old), side(&new)).changes;
    let lines: Vec<_> = changes.iter().map(Change::sentence).collect();
    assert_eq!(
        lines,
        ["credential `cache` in audit mode (gives nothing): gains scope cache:purge"]
    );
}

#[test]
fn an_identity_is_not_taken_for_another_whose_parts_read_the_same() {
    let identity = |rest: &str| {
        format!(
            "{}[identity.ci]\nworkload = \"spiffe://acme.example/ci/*\"\nkind = \"agent\"\n{rest}\n",
            grant("cache", "")
        )
    };
    let one = identity("owner = \"team, tools deploy\"");
    let other = identity("owner = \"team\"\ntools = [\"deploy\"]");
    assert_eq!(
        lines(&one, &other),
        [
            "changed identity: ci (agent of \"team, tools deploy\") → ci (agent of \"team\", tools \"deploy\")"
        ]
    );
}

/// Patterns that overlap in more ways than are looked at.
fn overlapping() -> Vec<String> {
    let pattern = |n: usize| {
        let mut segments = ["*"; 40];
        segments[n] = "a";
        format!("spiffe://acme.example/{}", segments.join("/"))
    };
    (0..40).map(pattern).collect()
}

fn partial(old: &str, new: &str) -> Difference {
    let facts = installation(INSTALLATION);
    let (old, new) = (
        compile(&format!("{HEAD}\n{old}"), &facts),
        compile(&format!("{HEAD}\n{new}"), &facts),
    );
    diff(
        Side {
            policy: &old,
            installation: &facts,
        },
        Side {
            policy: &new,
            installation: &facts,
        },
    )
}

#[test]
fn where_not_everything_is_looked_at_what_is_written_is_compared() {
    let all = overlapping();
    let grant = |patterns: &[String], rest: &str| {
        format!(
            "[[task.build.grant]]\nworkload = {patterns:?}\ncredentials = [\"cache\"]\n{rest}\n"
        )
    };
    let same = partial(&grant(&all, ""), &grant(&all, ""));
    assert_eq!(same.partial, ["task build"]);
    assert_eq!(same.changes, []);
    assert!(!same.is_none(), "what was not looked at may differ");
    let last = &all[39];
    let declared = |old: &str, new: &str| -> Vec<String> {
        let changes = partial(old, new).changes.into_iter();
        changes
            .filter(|change| change.kind == Kind::Declared)
            .map(|change| format!("{} {}", change.direction, change.sentence()))
            .collect()
    };
    let one_less = declared(&grant(&all, ""), &grant(&all[..39], ""));
    assert_eq!(
        one_less,
        [format!(
            "changed what is written for `{last}`: loses credential cache (cache:write, 10m, 100 open jobs, \
             issuer local, audience https://docs.acme.example, environment any, algorithm ES256, shape access-token)"
        )]
    );
    let other = grant(&all[..39], "") + &grant(&all[39..], "max_live_jobs = 900");
    let changed = declared(&grant(&all, ""), &other);
    assert_eq!(changed.len(), 2, "{changed:#?}");
    assert!(changed.iter().any(|line| line.contains("900 open jobs")));
    // The same for environments, identities and verifiers.
    let verifiers = |patterns: &[String]| {
        format!("[audience.more]\nuri = \"https://more.acme.example\"\nverifiers = {patterns:?}\n")
    };
    let environments =
        |patterns: &[String]| format!("[environment.prod]\nworkloads = {patterns:?}\n");
    let identities = |patterns: &[String]| {
        format!("[identity.ci]\nworkload = {patterns:?}\nkind = \"service\"\nowner = \"ci\"\n")
    };
    for (what, of) in [
        ("verifiers", &verifiers as &dyn Fn(&[String]) -> String),
        ("environments", &environments),
        ("identities", &identities),
    ] {
        let found = partial(&of(&all), &of(&all[..39]));
        assert!(found.partial.contains(&what.to_owned()), "{what}");
        let is_listed = found
            .changes
            .iter()
            .any(|change| change.kind == Kind::Declared && change.name.as_ref() == Some(last));
        assert!(is_listed, "{what}: {:#?}", found.changes);
    }
}

#[test]
fn a_changed_guardrail_is_one_change_and_stands_with_the_task_that_it_names() {
    let facts = installation(INSTALLATION);
    let compiled = |guardrail: &str| {
        let files = [
            SourceFile::new(
                "policy.toml",
                format!("{HEAD}{}", grant("cache", "")).into_bytes(),
            ),
            SourceFile::new("all.cedar", guardrail.as_bytes()),
        ];
        Policy::compile(&files, &facts).unwrap()
    };
    let changes = |old: &str, new: &str| {
        let (old, new) = (compiled(old), compiled(new));
        let side = |policy| Side {
            policy,
            installation: &facts,
        };
        diff(side(&old), side(&new)).changes
    };
    let nights = |head: &str, hour: u32| {
        format!("@id(\"nights\")\nforbid({head}) when {{ context.time.hour > {hour} }};\n")
    };
    let everybody = "principal, action, resource";
    let found = changes(&nights(everybody, 22), &nights(everybody, 23));
    assert_eq!(
        found.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "changed: guardrail `nights`: forbid(principal, action, resource) when { context.time.hour > 22 }; → \
          forbid(principal, action, resource) when { context.time.hour > 23 };"
        ]
    );
    let build = "principal, action, resource == Task::\"build\"";
    for (old, new) in [
        (nights(build, 22), nights(build, 23)),
        (String::new(), nights(build, 22)),
    ] {
        let found = changes(&old, &new);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].task.as_deref(), Some("build"));
    }
    let other_head = changes(&nights(build, 22), &nights(everybody, 22));
    assert_eq!((other_head.len(), &other_head[0].task), (1, &None));
    let one = "principal == Workload::\"spiffe://acme.example/ci/1\", action, resource";
    let for_one = changes(&nights(one, 22), "");
    assert_eq!(for_one[0].workloads, ["spiffe://acme.example/ci/1"]);
}
