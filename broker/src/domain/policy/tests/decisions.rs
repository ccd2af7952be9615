//! Decisions, as tables.

use std::time::Duration;

use taskpass_proto::reason::Reason;

use super::*;
use crate::domain::policy::{CredentialVerdict, Environment, GrantId, Outcome};

const CI: &str = "spiffe://acme.example/prod/ci/docs";
const MAIN: (&str, &str) = ("ref", "refs/heads/main");

fn wanted(name: &str, scopes: &[&str], seconds: Option<u64>) -> Wanted {
    Wanted {
        name: name.to_owned(),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        lifetime: seconds.map(Duration::from_secs),
    }
}

/// `name[scopes]ttl` of what is permitted, or the reason of the denial.
fn shown(decision: &Decision) -> String {
    match &decision.outcome {
        Outcome::Denied(denied) => denied.reason.code().to_owned(),
        Outcome::Allowed(allowed) => {
            let one = |permitted: &crate::domain::policy::Permitted| {
                format!(
                    "{}[{}]{}",
                    permitted.name,
                    permitted.scopes.join(" "),
                    permitted.ttl.as_secs()
                )
            };
            allowed
                .credentials
                .iter()
                .map(one)
                .collect::<Vec<_>>()
                .join(" ")
        }
    }
}

/// Subject, task, parameters, wanted; what comes out.
type Row = (
    &'static str,
    &'static str,
    Vec<(&'static str, &'static str)>,
    Vec<Wanted>,
    &'static str,
);

/// As the audit log keeps it, without the hash.
fn json(decision: Decision) -> String {
    let mut value = serde_json::to_value(decision).unwrap();
    value["policy"] = "…".into();
    serde_json::to_string_pretty(&value).unwrap()
}

#[test]
fn every_reason_that_a_decision_can_give() {
    let policy = policy(POLICY);
    let docs = |scopes: &[&str], seconds| vec![wanted("docs-api", scopes, seconds)];
    let all = "docs-api[docs:read repo:refs/heads/main]120 tickets-api[]120";
    let other = "spiffe://other.example/prod/ci/docs";
    let dev_agent = "spiffe://acme.example/dev/agents/a";
    let prod_agent = "spiffe://acme.example/prod/agents/a";
    let both = "spiffe://acme.example/shared/agents/a";
    let note = |text| vec![MAIN, ("note", text)];
    let table: Vec<Row> = vec![
        // The union of what matches, per credential the shortest lifetime, as far as the environment goes.
        (CI, "deploy-docs", vec![MAIN], vec![], all),
        (prod_agent, "deploy-docs", vec![MAIN], vec![], all),
        (
            dev_agent,
            "agent/answer",
            vec![],
            vec![],
            "dev-api[docs:read]600",
        ),
        // Asking for less.
        (
            CI,
            "deploy-docs",
            vec![MAIN],
            docs(&[], None),
            "docs-api[docs:read repo:refs/heads/main]120",
        ),
        (
            CI,
            "deploy-docs",
            vec![MAIN],
            docs(&["docs:read"], Some(60)),
            "docs-api[docs:read]60",
        ),
        (
            CI,
            "deploy-docs",
            vec![MAIN],
            docs(&["docs:read", "docs:read"], Some(600)),
            "docs-api[docs:read]120",
        ),
        (
            CI,
            "deploy-docs",
            vec![MAIN],
            docs(&["repo:refs/heads/main"], Some(1)),
            "docs-api[repo:refs/heads/main]1",
        ),
        // Not granted, or no such task: the same.
        (CI, "deploy-docz", vec![MAIN], vec![], "TASK_NOT_GRANTED"),
        (CI, "", vec![], vec![], "TASK_NOT_GRANTED"),
        (CI, "agent/answer", vec![], vec![], "TASK_NOT_GRANTED"),
        (other, "deploy-docs", vec![MAIN], vec![], "TASK_NOT_GRANTED"),
        (
            "spiffe://acme.example/prod",
            "deploy-docs",
            vec![MAIN],
            vec![],
            "TASK_NOT_GRANTED",
        ),
        // What is wrong with parameters is told only to those whom a grant is for.
        (other, "deploy-docs", vec![], vec![], "TASK_NOT_GRANTED"),
        (
            other,
            "deploy-docs",
            vec![("x", "y")],
            vec![],
            "TASK_NOT_GRANTED",
        ),
        (CI, "deploy-docs", vec![], vec![], "PARAMETER_MISSING"),
        (
            CI,
            "deploy-docs",
            vec![MAIN, ("force", "true")],
            vec![],
            "PARAMETER_UNDECLARED",
        ),
        (
            dev_agent,
            "agent/answer",
            vec![MAIN],
            vec![],
            "PARAMETER_UNDECLARED",
        ),
        (
            CI,
            "deploy-docs",
            vec![("ref", "refs/heads/main2")],
            vec![],
            "PARAMETER_INVALID",
        ),
        (
            CI,
            "deploy-docs",
            vec![("ref", "")],
            vec![],
            "PARAMETER_INVALID",
        ),
        (
            CI,
            "deploy-docs",
            vec![MAIN, ("color", "red")],
            vec![],
            "PARAMETER_INVALID",
        ),
        (
            CI,
            "deploy-docs",
            vec![MAIN, ("color", "blue")],
            vec![],
            all,
        ),
        (CI, "deploy-docs", note("two words"), vec![], all),
        (
            CI,
            "deploy-docs",
            note("\u{1b}[31m"),
            vec![],
            "PARAMETER_INVALID",
        ),
        // Credentials.
        (
            CI,
            "deploy-docs",
            vec![MAIN],
            vec![wanted("nope", &[], None)],
            "CREDENTIAL_NOT_GRANTED",
        ),
        (
            CI,
            "deploy-docs",
            vec![MAIN],
            vec![wanted("docs-api", &[], None), wanted("nope", &[], None)],
            "CREDENTIAL_NOT_GRANTED",
        ),
        (
            CI,
            "deploy-docs",
            vec![MAIN],
            vec![wanted("dev-api", &[], None)],
            "CREDENTIAL_NOT_GRANTED",
        ),
        (
            CI,
            "deploy-docs",
            vec![MAIN],
            vec![wanted("docs-api", &[], None), wanted("dev-api", &[], None)],
            "CREDENTIAL_NOT_GRANTED",
        ),
        (
            prod_agent,
            "deploy-docs",
            vec![MAIN],
            vec![wanted("dev-api", &[], None)],
            "CREDENTIAL_NOT_GRANTED",
        ),
        // A workload of another environment, or of two, or of none.
        (
            prod_agent,
            "agent/answer",
            vec![],
            vec![],
            "CREDENTIAL_NOT_GRANTED",
        ),
        (
            both,
            "agent/answer",
            vec![],
            vec![],
            "CREDENTIAL_NOT_GRANTED",
        ),
        (
            "spiffe://acme.example/test/agents/a",
            "agent/answer",
            vec![],
            vec![],
            "CREDENTIAL_NOT_GRANTED",
        ),
        // Scopes.
        (
            CI,
            "deploy-docs",
            vec![MAIN],
            docs(&["docs:write"], None),
            "SCOPE_NOT_GRANTED",
        ),
        (
            CI,
            "deploy-docs",
            vec![MAIN],
            docs(&["docs:read", "repo:refs/heads/release/1"], None),
            "SCOPE_NOT_GRANTED",
        ),
        (
            CI,
            "deploy-docs",
            vec![MAIN],
            docs(&["docs:read repo:refs/heads/main"], None),
            "SCOPE_NOT_GRANTED",
        ),
        (
            CI,
            "deploy-docs",
            vec![MAIN],
            docs(&["repo:${params.ref}"], None),
            "SCOPE_NOT_GRANTED",
        ),
        (
            CI,
            "deploy-docs",
            vec![MAIN],
            docs(&[""], None),
            "SCOPE_NOT_GRANTED",
        ),
        (
            CI,
            "deploy-docs",
            vec![MAIN],
            vec![wanted("tickets-api", &["x"], None)],
            "SCOPE_NOT_GRANTED",
        ),
        // Requests that mean nothing.
        (
            CI,
            "deploy-docs",
            vec![MAIN],
            docs(&[], Some(0)),
            "REQUEST_INVALID",
        ),
        (
            CI,
            "deploy-docs",
            vec![MAIN],
            vec![wanted("docs-api", &[], None); 2],
            "REQUEST_INVALID",
        ),
    ];
    for (subject, task, parameters, wanted, expected) in table {
        let decision = decide(&policy, subject, task, &parameters, &wanted);
        assert_eq!(
            shown(&decision),
            expected,
            "{subject} {task} {parameters:?} {wanted:?}"
        );
    }
}

#[test]
fn an_allowed_job_has_its_limits_and_its_grants() {
    let policy = policy(POLICY);
    let decision = decide(&policy, CI, "deploy-docs", &[MAIN], &[]);
    let allowed = decision.allowed().unwrap();
    assert_eq!(allowed.max_duration, Duration::from_secs(30 * 60));
    assert_eq!(allowed.max_live_jobs, 3);
    let numbers: Vec<_> = allowed.grants.iter().map(ToString::to_string).collect();
    assert_eq!(numbers, ["deploy-docs#1", "deploy-docs#2"]);
    let tickets = decide(
        &policy,
        CI,
        "deploy-docs",
        &[MAIN],
        &[Wanted::whole("tickets-api")],
    );
    let only = GrantId {
        task: "deploy-docs".into(),
        number: 2,
    };
    assert_eq!(tickets.allowed().unwrap().grants, [only]);
    // Without one of its own, a task has the installation's.
    let agent = "spiffe://acme.example/dev/agents/a";
    let answer = decide(&policy, agent, "agent/answer", &[], &[]);
    let answer = answer.allowed().unwrap();
    assert_eq!(answer.max_duration, Duration::from_secs(8 * 3600));
    assert_eq!(answer.max_live_jobs, 100);
}

#[test]
fn no_credential_outlives_its_job() {
    let policy = policy(&POLICY.replace("max_duration = \"30m\"", "max_duration = \"30s\""));
    let decision = decide(&policy, CI, "deploy-docs", &[MAIN], &[]);
    assert!(
        decision
            .allowed()
            .unwrap()
            .credentials
            .iter()
            .all(|c| c.ttl == Duration::from_secs(30))
    );
}

#[test]
fn a_denial_tells_the_caller_the_same_whether_the_task_exists_or_not() {
    let policy = policy(POLICY);
    let unknown = denied(&decide(&policy, CI, "no-such-task", &[], &[]));
    let other = denied(&decide(&policy, CI, "agent/answer", &[], &[]));
    assert_eq!(
        (unknown.reason, &unknown.message),
        (other.reason, &other.message)
    );
    assert_ne!(unknown.explanation, other.explanation);
    assert_eq!(unknown.reason, Reason::TaskNotGranted);
}

#[test]
fn keeps_which_grant_failed_and_by_what() {
    let policy = policy(POLICY);
    let decision = decide(&policy, CI, "agent/answer", &[], &[]);
    insta::assert_snapshot!("not_granted", json(decision));
    let decision = decide(
        &policy,
        CI,
        "deploy-docs",
        &[("ref", "refs/heads/x y")],
        &[],
    );
    insta::assert_snapshot!("parameter_invalid", json(decision));
}

#[test]
fn keeps_what_became_of_each_credential() {
    let policy = policy(POLICY);
    let decision = decide(
        &policy,
        CI,
        "deploy-docs",
        &[MAIN],
        &[Wanted::whole("docs-api")],
    );
    let verdicts: Vec<_> = decision
        .credentials
        .iter()
        .map(|c| (&*c.name, &c.verdict))
        .collect();
    assert_eq!(
        verdicts,
        [
            ("dev-api", &CredentialVerdict::NotWanted),
            ("docs-api", &CredentialVerdict::Permitted),
            ("tickets-api", &CredentialVerdict::NotWanted),
        ]
    );
    let decision = decide(&policy, CI, "deploy-docs", &[MAIN], &[]);
    let withheld = CredentialVerdict::OtherEnvironment {
        environment: "dev".into(),
    };
    assert_eq!(decision.credentials[0].verdict, withheld);
    insta::assert_snapshot!("other_environment", json(decision));
}

#[test]
fn a_workload_belongs_to_one_environment_or_to_none() {
    let policy = policy(POLICY);
    let table = [
        (CI, Environment::One("prod".into())),
        (
            "spiffe://acme.example/dev/x",
            Environment::One("dev".into()),
        ),
        ("spiffe://acme.example/test/x", Environment::None),
        ("spiffe://other.example/prod/x", Environment::None),
        (
            "spiffe://acme.example/shared/agents/x",
            Environment::Several(vec!["dev".into(), "prod".into()]),
        ),
    ];
    for (workload, expected) in table {
        assert_eq!(
            policy.environment(&workload.parse().unwrap()),
            expected,
            "{workload}"
        );
    }
}

#[test]
fn two_patterns_of_one_environment_are_one_environment() {
    let policy = policy(&POLICY.replace(
        "\"spiffe://acme.example/dev/**\"",
        "\"spiffe://acme.example/dev/**\", \"spiffe://acme.example/dev/*/a\"",
    ));
    let environment = policy.environment(&"spiffe://acme.example/dev/agents/a".parse().unwrap());
    assert_eq!(environment, Environment::One("dev".into()));
}

#[test]
fn only_its_verifiers_may_ask_about_an_audience() {
    let policy = policy(POLICY);
    let (docs, tickets) = ("https://docs.acme.example", "https://tickets.acme.example");
    let api = "spiffe://acme.example/prod/docs-api".parse().unwrap();
    let ci = CI.parse().unwrap();
    assert!(policy.may_verify(&api, docs));
    assert!(!policy.may_verify(&api, tickets));
    assert!(!policy.may_verify(&api, "https://docs.acme.example/"));
    assert!(!policy.may_verify(&ci, docs));
    assert_eq!(policy.verifier_audiences(&api).collect::<Vec<_>>(), [docs]);
    assert_eq!(policy.verifier_audiences(&ci).count(), 0);
    assert!(policy.has_verifiers(docs) && !policy.has_verifiers(tickets));
}

#[test]
fn the_most_specific_identity_describes_a_workload() {
    let text = format!(
        r#"{POLICY}
        [identity.anybody]
        workload = "spiffe://acme.example/prod/**"
        kind = "service"
        owner = "platform@acme.example"
        [identity.docs-bot]
        workload = ["spiffe://acme.example/prod/agents/*"]
        kind = "agent"
        owner = "agents@acme.example"
        tools = ["search", "publish"]
        "#
    );
    let policy = policy(&text);
    let name = |workload: &str| {
        policy
            .identity(&workload.parse().unwrap())
            .map(|identity| identity.name.to_string())
    };
    assert_eq!(
        name("spiffe://acme.example/prod/agents/a").unwrap(),
        "docs-bot"
    );
    assert_eq!(
        name("spiffe://acme.example/prod/agents/a/b").unwrap(),
        "anybody"
    );
    assert_eq!(name("spiffe://acme.example/dev/a"), None);
    let bot = policy
        .identity(&"spiffe://acme.example/prod/agents/a".parse().unwrap())
        .unwrap();
    assert_eq!(bot.tools, ["publish".into(), "search".into()]);
    let decision = decide(&policy, CI, "deploy-docs", &[MAIN], &[]);
    assert_eq!(decision.identity.as_deref(), Some("anybody"));
}

#[test]
fn a_limit_that_is_no_shorter_is_not_said_to_have_shortened() {
    let same = POLICY.replace("max_ttl = \"2m\"", "max_ttl = \"10m\"");
    let decision = decide(&policy(&same), CI, "deploy-docs", &[MAIN], &[]);
    let docs = decision
        .credentials
        .iter()
        .find(|one| &*one.name == "docs-api")
        .unwrap();
    assert_eq!(docs.ceilings, []);
}

#[test]
fn a_parameter_of_a_task_without_any_is_told_so() {
    let decision = decide(
        &policy(POLICY),
        "spiffe://acme.example/dev/agents/a",
        "agent/answer",
        &[("x", "1")],
        &[],
    );
    assert_eq!(denied(&decision).reason, Reason::ParameterUndeclared);
    let failed = decision.grants[0].failed.as_ref().unwrap();
    assert_eq!(failed.expected, "no parameters");
}

#[test]
fn several_environments_are_named_in_order() {
    let text = POLICY.replace("[environment.dev]", "[environment.zebra]\nworkloads = [\"spiffe://acme.example/shared/agents/*\"]\n[environment.aaa]\nworkloads = [\"spiffe://acme.example/shared/**\"]\n[environment.dev]");
    let workload = "spiffe://acme.example/shared/agents/one".parse().unwrap();
    let Environment::Several(names) = policy(&text).environment(&workload) else {
        panic!("in several")
    };
    assert_eq!(
        names.iter().map(|name| &**name).collect::<Vec<_>>(),
        ["aaa", "dev", "prod", "zebra"]
    );
}
