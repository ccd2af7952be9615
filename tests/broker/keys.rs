//! Signing keys: rotated and retired by an operator, in another algorithm and shape, sealed with another key.

use std::fs;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;

use crate::support::client::{Client, token, wanted};
use crate::support::installation::{Installation, POLICY, Plan, TRUST_DOMAIN, write_private};
use crate::support::operator::Operator;
use crate::support::process::BINARY;
use crate::support::{eventually, go_client, http, python};

const CI: &str = "spiffe://acme.example/prod/ci/docs";
const VERIFIER: &str = "spiffe://acme.example/prod/docs-api";

/// Verifiers may keep the key set for a second, so that a rotation takes two.
fn quick() -> Plan<'static> {
    Plan {
        more: "[keys]\nmax_age = \"1s\"",
        ..Plan::default()
    }
}

fn header(token: &str) -> Value {
    let header = token.split('.').next().unwrap();
    serde_json::from_slice(&BASE64URL_NOPAD.decode(header.as_bytes()).unwrap()).unwrap()
}

fn kid(token: &str) -> String {
    header(token)["kid"].as_str().unwrap().to_owned()
}

async fn key_set(broker: &Installation) -> Value {
    let (_, body) = http::get(broker.public, "/.well-known/jwks.json")
        .await
        .unwrap();
    serde_json::from_str(&body).unwrap()
}

/// `taskpass key …`: exit code, and what it said.
fn key(broker: &Installation, arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(BINARY)
        .arg("key")
        .args(arguments)
        .env("TASKPASS_ADMIN_SOCKET", broker.path("admin.sock"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = said + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), said)
}

fn keys(broker: &Installation) -> Vec<Value> {
    let (code, said) = key(broker, &["list", "--output", "json"]);
    assert_eq!(code, Some(0), "{said}");
    let document: Value = serde_json::from_str(&said).unwrap();
    document["keys"].as_array().unwrap().clone()
}

async fn docs_token(client: &mut Client) -> String {
    token(&client.open_docs().await.credentials[0]).to_owned()
}

#[tokio::test]
async fn a_rotation_by_command_refuses_no_token() {
    let broker = Installation::with(quick()).await;
    let mut client = broker.client(CI).await;
    let verifier = broker.client(VERIFIER).await;
    let before = docs_token(&mut client).await;
    let (code, said) = key(&broker, &["rotate", "--note", "drill"]);
    assert_eq!(code, Some(0), "{said}");
    let next = keys(&broker);
    let next = next.iter().find(|key| key["state"] == "next").unwrap()["kid"].clone();
    let published = key_set(&broker).await.to_string();
    assert!(
        published.contains(next.as_str().unwrap()),
        "before it signs"
    );
    let (code, said) = key(&broker, &["rotate", "--note", "drill"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("under way"), "{said}");
    // Until the new key signs, and then: every token is good, and its key is published.
    eventually("the new key signs", || {
        let (mut client, mut verifier) = (client.clone(), verifier.clone());
        let (broker, before, next) = (&broker, &before, &next);
        async move {
            let opened = client.open_docs().await;
            let token = token(&opened.credentials[0]);
            let published = key_set(broker).await.to_string();
            for token in [before, token] {
                assert!(published.contains(&kid(token)));
                assert!(verifier.introspect(token).await.active);
            }
            client.close(&opened.job_id).await.unwrap();
            (kid(token) == *next).then_some(())
        }
    })
    .await;
    assert_eq!(kid(&docs_token(&mut client).await), next);
    let mut operator = Operator::connect(&broker).await;
    let rotated = operator.events("key.rotated").await;
    assert_eq!(rotated.len(), 1, "the second command changed nothing");
    assert!(rotated[0].details.contains("drill"));
}

#[tokio::test]
async fn a_retired_keys_tokens_are_inactive_at_once_and_their_leases_live_on() {
    let mut broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let mut verifier = broker.client(VERIFIER).await;
    let mut request = client.request("deploy-docs");
    request.credentials = vec![wanted("docs-api")];
    let opened = client.open(request.clone()).await.unwrap();
    let credential = &opened.credentials[0];
    let old = token(credential);
    assert!(verifier.introspect(old).await.active, "and remembered");
    let (code, said) = key(&broker, &["retire", &kid(old), "--note", "stolen"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("CONFIRMATION_REQUIRED") && said.contains("--now"),
        "{said}"
    );
    assert!(verifier.introspect(old).await.active);
    let (code, said) = key(&broker, &["retire", &kid(old), "--now", "--note", "stolen"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("may refuse") && said.contains("may accept"),
        "{said}"
    );
    assert!(!verifier.introspect(old).await.active);
    assert!(!key_set(&broker).await.to_string().contains(&kid(old)));
    // The same request again, and a renewal: tokens under the key that follows.
    let again = client.open(request).await.unwrap();
    let renewed = client.renew(&credential.lease_id, 1).await.unwrap();
    for credential in [&again.credentials[0], &renewed] {
        assert_ne!(kid(token(credential)), kid(old));
        assert!(verifier.introspect(token(credential)).await.active);
    }
    broker.broker.stop();
    broker.restart().await;
    let mut verifier = broker.client(VERIFIER).await;
    assert!(!verifier.introspect(old).await.active, "for good");
    assert!(verifier.introspect(token(&renewed)).await.active);
    let mut operator = Operator::connect(&broker).await;
    assert!(
        operator.events("key.retired").await[0]
            .details
            .contains("stolen")
    );
    let (code, said) = key(&broker, &["retire", "nobodys", "--note", "x"]);
    assert_eq!(code, Some(1), "{said}");
}

#[tokio::test]
async fn rs256_jwt_svids_with_declared_claims_pass_an_independent_library() {
    let policy = POLICY.replace(
        "[credential.tickets-api]\n",
        r#"[credential.tickets-api]
algorithm = "RS256"
shape = "jwt-svid"
claims = { team = "docs", ref = "r:${params.ref}", level = 3, canary = true, regions = ["eu", "us"] }
"#,
    );
    let broker = Installation::with(Plan {
        policy: &policy,
        ..Plan::default()
    })
    .await;
    let mut client = broker.client(CI).await;
    let opened = client.open(client.request("deploy-docs")).await.unwrap();
    let by_name = |name| opened.credentials.iter().find(|c| c.name == name).unwrap();
    let svid = token(by_name("tickets-api"));
    let header = header(svid);
    assert_eq!(header.as_object().unwrap().len(), 3, "{header}");
    assert_eq!(
        (&header["alg"], &header["typ"]),
        (&"RS256".into(), &"JWT".into())
    );
    let check = r#"
import json, sys, jwt
token, keys = sys.argv[1], jwt.PyJWKSet.from_json(sys.argv[2])
key = keys[jwt.get_unverified_header(token)["kid"]]
print(json.dumps(jwt.decode(token, key.key, algorithms=["RS256"], audience="https://tickets.acme.example")))
"#;
    let checked = Command::new(python())
        .args(["-c", check, svid, &key_set(&broker).await.to_string()])
        .output()
        .unwrap();
    assert!(
        checked.status.success(),
        "{}",
        String::from_utf8_lossy(&checked.stderr)
    );
    let claims: Value = serde_json::from_slice(&checked.stdout).unwrap();
    let expected = serde_json::json!({
        "sub": CI, "aud": "https://tickets.acme.example", "team": "docs", "ref": "r:refs/heads/main",
        "level": 3, "canary": true, "regions": ["eu", "us"],
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&claims[name], value, "{name}");
    }
    let plain = token(by_name("docs-api"));
    let (is_svid, said) = verified_by_spiffe(&broker, "https://tickets.acme.example", svid).await;
    let said: Value = serde_json::from_str(&said).unwrap();
    assert!(is_svid && said["id"] == CI, "{said}");
    let (is_svid, said) = verified_by_spiffe(&broker, "https://docs.acme.example", plain).await;
    assert!(!is_svid && said.contains("typ"), "{said}");
    let renewed = client
        .renew(&by_name("tickets-api").lease_id, 1)
        .await
        .unwrap();
    assert_eq!(
        self::header(token(&renewed)),
        header,
        "and alike in every generation"
    );
    let plain = self::header(plain);
    assert_eq!(
        (&plain["alg"], &plain["typ"]),
        (&"ES256".into(), &"at+jwt".into())
    );
}

/// Whether the official SPIFFE library takes a token for a JWT-SVID, with the broker's key set as the
/// trust domain's.
async fn verified_by_spiffe(broker: &Installation, audience: &str, token: &str) -> (bool, String) {
    let keys = broker.path("keys.json");
    fs::write(&keys, key_set(broker).await.to_string()).unwrap();
    let output = Command::new(go_client())
        .args(["verify", TRUST_DOMAIN])
        .arg(&keys)
        .args([audience, token])
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[tokio::test]
async fn a_first_rs256_key_waits_until_verifiers_know_it() {
    let broker = Installation::with(quick()).await;
    let client = broker.client(CI).await;
    let policy = POLICY.replace(
        "[credential.docs-api]\n",
        "[credential.docs-api]\nalgorithm = \"RS256\"\n",
    );
    fs::write(broker.path("policy/policy.toml"), policy).unwrap();
    let refused = AtomicUsize::new(0);
    eventually("an RS256 key signs", || {
        let (mut client, broker, refused) = (client.clone(), &broker, &refused);
        async move {
            let published = key_set(broker).await.to_string();
            let mut request = client.request("deploy-docs");
            request.credentials = vec![wanted("docs-api")];
            match client.open(request).await {
                Ok(opened) => {
                    client.close(&opened.job_id).await.unwrap();
                    let token = token(&opened.credentials[0]);
                    // The policy before is in force for a moment.
                    let is_rs256 = header(token)["alg"] == "RS256";
                    assert!(published.contains(&kid(token)), "published before it signs");
                    is_rs256.then_some(())
                }
                Err(refusal) => {
                    assert_eq!(refusal.reason, "ISSUER_UNAVAILABLE");
                    refused.fetch_add(1, Ordering::Relaxed);
                    None
                }
            }
        }
    })
    .await;
    assert!(refused.into_inner() > 0, "it waited");
}

#[tokio::test]
async fn the_sealing_key_can_be_changed() {
    let mut broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let issued = docs_token(&mut client).await;
    write_private(&broker.path("new.key"), &"6b".repeat(32));
    let toml = fs::read_to_string(broker.path("broker.toml")).unwrap();
    let old = "[[sealing_key]]\nid = \"k1\"\nfile = \"seal.key\"\n";
    let new = "[[sealing_key]]\nid = \"k2\"\nfile = \"new.key\"\n";
    // The new one first, the old one still there; then the old one is gone.
    for sealing in [format!("{new}{old}"), new.to_owned()] {
        broker.broker.stop();
        fs::write(broker.path("broker.toml"), toml.replace(old, &sealing)).unwrap();
        broker.restart().await;
        let mut verifier = broker.client(VERIFIER).await;
        assert!(verifier.introspect(&issued).await.active);
        let mut client = broker.client(CI).await;
        let again = docs_token(&mut client).await;
        assert_eq!(kid(&again), kid(&issued));
    }
    let mut operator = Operator::connect(&broker).await;
    assert_eq!(operator.events("key.resealed").await.len(), 2);
}

#[tokio::test]
async fn the_static_export_is_what_the_broker_serves() {
    let broker = Installation::start().await;
    let folder = broker.path("site");
    let (code, said) = key(
        &broker,
        &["export", "--directory", folder.to_str().unwrap()],
    );
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("max-age=3600"), "{said}");
    for path in [
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
        "/.well-known/jwks.json",
    ] {
        let (_, served) = http::get(broker.public, path).await.unwrap();
        let served: Value = serde_json::from_str(&served).unwrap();
        let written = fs::read(folder.join(path.trim_start_matches('/'))).unwrap();
        assert_eq!(
            serde_json::from_slice::<Value>(&written).unwrap(),
            served,
            "{path}"
        );
    }
}
