//! The commented sample policy, as it is shipped.

use super::*;

macro_rules! example {
    ($name:literal) => {
        SourceFile::new(
            $name,
            include_bytes!(concat!("../../../../../examples/", $name)).as_slice(),
        )
    };
}

fn policy_of_the_examples() -> Policy {
    let installation = Installation::parse(&example!("installation.toml"))
        .unwrap_or_else(|findings| panic!("{}", lines(&findings)));
    let files = [
        example!("policy/agent-tools.toml"),
        example!("policy/ci.toml"),
        example!("policy/deploy-docs.toml"),
        example!("policy/shared.toml"),
        example!("policy/guardrails.cedar"),
    ];
    Policy::compile(&files, &installation).unwrap_or_else(|findings| panic!("{}", lines(&findings)))
}

#[test]
fn has_neither_errors_nor_doubts() {
    assert_eq!(lines(policy_of_the_examples().warnings()), "");
}

#[test]
fn does_what_its_comments_say() {
    let policy = policy_of_the_examples();
    let scopes =
        |subject, task, pairs: &[(&str, &str)]| match decide(&policy, subject, task, pairs, &[])
            .allowed()
        {
            Ok(allowed) => allowed
                .credentials
                .iter()
                .flat_map(|c| c.scopes.clone())
                .collect::<Vec<_>>()
                .join(" "),
            Err(denied) => denied.reason.code().to_owned(),
        };
    let agent = "spiffe://acme.example/prod/agents/tickets/a";
    let build = [("repository", "site"), ("attempt", "1"), ("cache", "read")];
    let table = [
        (
            scopes(
                "spiffe://acme.example/prod/ci/docs/1",
                "deploy-docs",
                &[("ref", "refs/heads/main")],
            ),
            "docs:write ref:refs/heads/main tickets:comment",
        ),
        (
            scopes(
                "spiffe://acme.example/prod/ops/docs-oncall",
                "deploy-docs",
                &[("ref", "refs/heads/main2")],
            ),
            "PARAMETER_INVALID",
        ),
        (scopes(agent, "agent/search-tickets", &[]), "tickets:read"),
        (
            scopes(agent, "agent/comment-ticket", &[("ticket", "OPS-7")]),
            "tickets:comment:OPS-7",
        ),
        (
            scopes(agent, "agent/comment-ticket", &[("ticket", "OPS-7 x")]),
            "PARAMETER_INVALID",
        ),
        (scopes(agent, "deploy-docs", &[]), "TASK_NOT_GRANTED"),
        (
            scopes("spiffe://acme.example/dev/ci/site/7", "ci/build", &build),
            "cache:read upload:site",
        ),
        (
            scopes("spiffe://acme.example/dev/ci/docs/7", "ci/build", &build),
            "TASK_NOT_GRANTED",
        ),
        (
            scopes(
                "spiffe://acme.example/dev/ci/site/7",
                "ci/build",
                &[("repository", "dev"), ("attempt", "1"), ("cache", "read")],
            ),
            "TASK_NOT_GRANTED",
        ),
    ];
    for (found, expected) in table {
        assert_eq!(found, expected);
    }
}
