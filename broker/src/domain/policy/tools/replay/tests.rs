//! Records of one policy, replayed against edits of it.

use super::*;
use crate::domain::policy::tools::input::Input;
use crate::domain::policy::{Circumstances, Installation, SourceFile, Wanted};

const POLICY: &str = include_str!("../../../../../../examples/policy/deploy-docs.toml");
const SHARED: &str = include_str!("../../../../../../examples/policy/shared.toml");
const INSTALLATION: &str = include_str!("../../../../../../examples/installation.toml");
const CI: &str = "spiffe://acme.example/prod/ci/docs/1";
const ONCALL: &str = "spiffe://acme.example/prod/ops/docs-oncall";
const DEV: &str = "spiffe://acme.example/dev/ci/docs/1";

fn policy(edits: &[(&str, &str)]) -> Policy {
    let file = |name: &str, text: &str| SourceFile::new(name, text.as_bytes());
    let facts = Installation::parse(&file("installation.toml", INSTALLATION)).unwrap();
    let mut text = POLICY.to_owned();
    for (find, replace) in edits {
        assert!(text.contains(find), "{find}");
        text = text.replacen(find, replace, 1);
    }
    Policy::compile(&[file("a.toml", &text), file("b.toml", SHARED)], &facts).unwrap()
}

/// The details that the broker writes for a request decided by a policy.
fn details(policy: &Policy, workload: &str, wanted: Vec<Wanted>) -> String {
    let input = Input {
        workload: workload.parse().unwrap(),
        task: "deploy-docs".to_owned(),
        parameters: [("ref".to_owned(), "refs/heads/main".to_owned())].into(),
        wanted,
        circumstances: Circumstances::default(),
    };
    serde_json::json!({
        "decision": policy.decide(&input.request()),
        "parameters": input.parameters,
        "wanted": input.wanted,
        "holder": "…",
    })
    .to_string()
}

fn record<'a>(event: &'a str, workload: &'a str, details: &'a str) -> Record<'a> {
    Record {
        number: 7,
        event,
        workload,
        task: "deploy-docs",
        decision: workload,
        details,
    }
}

/// `workloads kind about ×count` of every group.
fn replayed(edits: &[(&str, &str)]) -> (Summary, Vec<String>) {
    let then = policy(&[]);
    let now = policy(edits);
    let mut replay = Replay::new(&now);
    let narrow = Wanted {
        scopes: vec!["docs:write".to_owned()],
        lifetime: Some(std::time::Duration::from_secs(60)),
        ..Wanted::whole("docs-site")
    };
    for (workload, wanted) in [
        (CI, vec![]),
        (CI, vec![narrow]),
        (ONCALL, vec![]),
        (DEV, vec![]),
    ] {
        let details = details(&then, workload, wanted);
        let event = if workload == DEV {
            "job.denied"
        } else {
            "job.opened"
        };
        replay.take(record(event, workload, &details));
    }
    replay.take(record("denials.repeated", DEV, "{\"repeats\":4}"));
    replay.take(record("job.opened", CI, ""));
    replay.take(record("job.opened", CI, "{}"));
    replay.take(record("job.ended", CI, "{}"));
    replay.take(record("lease.issued", CI, "{\"credential\":\"docs-site\"}"));
    replay.take(record("lease.issued", CI, ""));
    let report = replay.finish();
    let text = |group: &Group| {
        let workloads = group.workloads.replace("spiffe://acme.example/", "");
        let Difference { kind, about } = &group.difference;
        let more = match group.repetitions {
            0 => String::new(),
            more => format!(" and {more} repetitions"),
        };
        format!(
            "{workloads} {} {about} ×{}{more}",
            kind.words(),
            group.count
        )
    };
    (report.summary, report.groups.iter().map(text).collect())
}

#[test]
fn nothing_differs_where_nothing_was_changed() {
    let (summary, groups) = replayed(&[]);
    assert_eq!(groups, [""; 0]);
    let expected = Summary {
        decided: 4,
        renewals: 0,
        later: 0,
        repeated: 4,
        different: 0,
        erased: 1,
        without_input: 1,
        unlisted: 0,
    };
    assert_eq!(summary, expected);
}

/// Edits, and the groups that they make.
type Row = (
    &'static [(&'static str, &'static str)],
    &'static [&'static str],
);

#[test]
fn every_change_of_effect_is_listed_and_no_other() {
    let table: [Row; 10] = [
        (&[("# A CI job", "# The CI job")], &[]),
        (
            &[("ttl = \"10m\"", "ttl = \"8m\"")],
            &["prod/ci/docs/* shorter lifetime docs-site: 10m → 8m ×1"],
        ),
        (
            &[("max_ttl = \"5m\"", "max_ttl = \"6m\"")],
            &["prod/ops/docs-oncall longer lifetime docs-site: 5m → 6m ×1"],
        ),
        (
            &[(
                "credentials = [\"docs-site\", \"tickets-comment\"]",
                "credentials = [\"docs-site\"]",
            )],
            &["prod/ci/docs/* without credential tickets-comment ×1"],
        ),
        (
            &[("\"docs:write\", ", "\"docs:write\", \"docs:purge\", ")],
            &[
                "prod/ci/docs/* also scope docs-site: docs:purge ×1",
                "prod/ops/docs-oncall also scope docs-site: docs:purge ×1",
            ],
        ),
        (
            &[(", \"ref:${params.ref}\"", "")],
            &[
                "prod/ci/docs/* without scope docs-site: ref:refs/heads/main ×1",
                "prod/ops/docs-oncall without scope docs-site: ref:refs/heads/main ×1",
            ],
        ),
        (
            &[("(main|release/[a-z0-9.-]+)", "release/[a-z0-9.-]+")],
            &[
                "prod/ci/docs/* newly denied PARAMETER_INVALID ×2",
                "prod/ops/docs-oncall newly denied PARAMETER_INVALID ×1",
            ],
        ),
        (
            &[(
                "spiffe://acme.example/prod/ops/docs-oncall",
                "spiffe://acme.example/prod/ops/x",
            )],
            &["prod/ops/* newly denied TASK_NOT_GRANTED ×1"],
        ),
        (
            &[(
                "spiffe://acme.example/prod/ops/site-oncall",
                "spiffe://acme.example/dev/**",
            )],
            &[
                "dev/** denied for another reason TASK_NOT_GRANTED → CREDENTIAL_NOT_GRANTED ×1 and 4 repetitions",
            ],
        ),
        (
            &[
                (
                    "spiffe://acme.example/prod/ops/site-oncall",
                    "spiffe://acme.example/dev/**",
                ),
                ("environment = \"prod\"", "environment = \"any\""),
            ],
            &["dev/** newly allowed TASK_NOT_GRANTED ×1 and 4 repetitions"],
        ),
    ];
    for (edits, expected) in table {
        let (_, mut groups) = replayed(edits);
        groups.sort();
        assert_eq!(groups, expected, "{edits:?}");
    }
}

#[test]
fn repetitions_of_denials_are_told_apart_in_either_order() {
    let (then, now) = (
        policy(&[]),
        policy(&[
            (
                "spiffe://acme.example/prod/ops/site-oncall",
                "spiffe://acme.example/dev/**",
            ),
            ("environment = \"prod\"", "environment = \"any\""),
        ]),
    );
    let denied = details(&then, DEV, vec![]);
    for newest_first in [true, false] {
        let mut replay = Replay::new(&now);
        let mut records = [
            record("job.denied", DEV, &denied),
            record("denials.repeated", DEV, "{\"repeats\":4}"),
        ];
        if newest_first {
            records.reverse();
        }
        for record in records {
            replay.take(record);
        }
        let report = replay.finish();
        let group = &report.groups[0];
        let summary = &report.summary;
        assert_eq!(
            (summary.different, group.count, group.repetitions),
            (1, 1, 4)
        );
        assert_eq!((summary.decided, summary.repeated), (1, 4));
    }
}

proptest::proptest! {
    #[test]
    fn no_details_make_it_panic(details in ".{0,80}", workload in ".{0,20}") {
        let policy = policy(&[]);
        Replay::new(&policy).take(record("job.opened", &workload, &details));
    }
}

#[test]
fn renewals_and_later_credentials_are_replayed_too() {
    let (then, now) = (policy(&[]), policy(&[("ttl = \"10m\"", "ttl = \"8m\"")]));
    let details = details(&then, CI, vec![Wanted::whole("docs-site")]);
    let events = [
        ("lease.issued", 1),
        ("lease.renewed", 1),
        ("lease.renewal_denied", 1),
        ("lease.denied", 1),
        ("lease.expired", 0),
    ];
    for (event, expected) in events {
        let mut replay = Replay::new(&now);
        replay.take(record(event, CI, &details));
        let report = replay.finish();
        assert_eq!(report.summary.different, expected, "{event}");
        let renewals = report.groups.first().map_or(0, |group| group.renewals);
        assert_eq!(
            renewals,
            u64::from(event.starts_with("lease.renew")),
            "{event}"
        );
        assert_eq!(report.summary.renewals, renewals);
    }
}
