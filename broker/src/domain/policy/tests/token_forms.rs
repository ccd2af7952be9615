//! What a credential says of its tokens: algorithm, shape, declared claims.

use std::collections::BTreeMap;

use super::*;
use crate::domain::token_form::{Algorithm, ClaimValue, Shape, TokenForm};

/// The sample policy with more lines for the credential `docs-api`.
fn with(lines: &str) -> String {
    POLICY.replacen(
        "[credential.docs-api]\n",
        &format!("[credential.docs-api]\n{lines}\n"),
        1,
    )
}

const MAIN: (&str, &str) = ("ref", "refs/heads/main");
const CI: &str = "spiffe://acme.example/prod/ci/docs";

fn form(lines: &str) -> TokenForm {
    let decision = decide(&policy(&with(lines)), CI, "deploy-docs", &[MAIN], &[]);
    let allowed = decision.allowed().unwrap();
    let docs = allowed.credentials.iter().find(|c| &*c.name == "docs-api");
    docs.unwrap().form.clone()
}

#[test]
fn a_credential_says_what_its_tokens_look_like() {
    assert_eq!(form(""), TokenForm::default());
    let lines = r#"algorithm = "RS256"
shape = "jwt-svid"
claims = { team = "docs", ref = "r:${params.ref}", level = 3, canary = true, regions = ["eu", "${params.ref}"] }"#;
    let text = |text: &str| ClaimValue::Text(text.to_owned());
    let claims = [
        ("team", text("docs")),
        ("ref", text("r:refs/heads/main")),
        ("level", ClaimValue::Integer(3)),
        ("canary", ClaimValue::Boolean(true)),
        (
            "regions",
            ClaimValue::List(vec!["eu".into(), "refs/heads/main".into()]),
        ),
    ];
    let expected = TokenForm {
        algorithm: Algorithm::Rs256,
        shape: Shape::JwtSvid,
        claims: claims
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect::<BTreeMap<_, _>>(),
    };
    assert_eq!(form(lines), expected);
    let algorithms = policy(&with(lines)).algorithms();
    assert_eq!(algorithms.len(), 2, "both are in use: {algorithms:?}");
}

#[test]
fn each_mistake_is_found_with_a_remedy() {
    let long = "a".repeat(257);
    let many: Vec<_> = (0..17).map(|n| format!("c{n} = 1")).collect();
    let many = format!("claims = {{ {} }}", many.join(", "));
    let large: Vec<_> = (0..16)
        .map(|n| format!("c{n} = [\"{0}\", \"{0}\"]", "a".repeat(200)))
        .collect();
    let large = format!("claims = {{ {} }}", large.join(", "));
    let table: [(&str, &str); 19] = [
        (
            r#"algorithm = "none""#,
            "an algorithm is `ES256` or `RS256`",
        ),
        (r#"algorithm = "HS256""#, "an algorithm is"),
        ("algorithm = 1", "`algorithm` must be a string"),
        (
            r#"shape = "jwt""#,
            "a shape is `access-token` or `jwt-svid`",
        ),
        (r#"claims = "team""#, "`claims` must be a table"),
        (r#"claims = { sub = "x" }"#, "fixed meaning"),
        (r#"claims = { cnf = "x" }"#, "fixed meaning"),
        (r#"claims = { Email = "x" }"#, "fixed meaning"),
        (r#"claims = { "a b" = "x" }"#, "a claim's name begins"),
        (r#"claims = { team = "" }"#, "1 to 256 bytes"),
        (
            &format!("claims = {{ team = \"{long}\" }}"),
            "1 to 256 bytes",
        ),
        (r#"claims = { team = "a\nb" }"#, "control characters"),
        ("claims = { level = 1.5 }", "must be a string, an integer"),
        (
            "claims = { level = 9007199254740992 }",
            "larger than JSON readers keep",
        ),
        (
            r#"claims = { ref = "${params.nothing}" }"#,
            "has no parameter `nothing`",
        ),
        (r#"claims = { ref = "${params.note}" }"#, "optional"),
        (
            r#"claims = { ref = "${env.HOME}" }"#,
            "only parameters can be filled in",
        ),
        (&many, "at most 16 claims"),
        (&large, "at most 4096 bytes"),
    ];
    for (lines, expected) in table {
        let errors = compile(&[("policy.toml", &with(lines))]).unwrap_err();
        let said = super::lines(&errors);
        assert!(said.contains(expected), "{lines}: {said}");
        assert!(errors.iter().all(|error| error.help.is_some()), "{said}");
    }
}
