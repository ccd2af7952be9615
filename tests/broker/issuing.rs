//! `OpenJob` and Issue: what is granted, in one round trip, once.

use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;
use taskpass_proto::time::from_wire;
use taskpass_proto::v1;

use crate::support::client::{token, wanted};
use crate::support::http;
use crate::support::installation::Installation;

const CI: &str = "spiffe://acme.example/prod/ci/docs";

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&BASE64URL_NOPAD.decode(part.as_bytes()).unwrap()).unwrap()
}

#[tokio::test]
async fn issues_tokens_with_the_claims_of_the_contract() {
    let broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let opened = client.open(client.request("deploy-docs")).await.unwrap();
    assert!(!opened.repeated);
    assert_eq!(
        opened.credentials.len(),
        2,
        "none asked for means all that are granted"
    );
    let docs = opened
        .credentials
        .iter()
        .find(|c| c.name == "docs-api")
        .unwrap();

    let header = part(token(docs), 0);
    assert_eq!(
        (&header["typ"], &header["alg"]),
        (&"at+jwt".into(), &"ES256".into())
    );
    assert_eq!(header.as_object().unwrap().len(), 3);

    let claims = part(token(docs), 1);
    assert_eq!(claims["iss"], format!("http://{}", broker.public));
    assert_eq!(claims["sub"], CI);
    assert_eq!(claims["client_id"], CI);
    assert_eq!(claims["aud"], "https://docs.acme.example");
    assert_eq!(claims["scope"], "docs:read docs:write");
    assert_eq!(claims["task"], "deploy-docs");
    assert_eq!(claims["job"], opened.job_id);
    assert_eq!(claims["jti"], format!("{}.1", docs.lease_id));
    let [iat, nbf, exp] = ["iat", "nbf", "exp"].map(|name| claims[name].as_u64().unwrap());
    assert_eq!(nbf, iat - 30);
    assert_eq!(exp, iat + 300);
}

#[tokio::test]
async fn a_job_that_nobody_announces_cannot_outlive_its_first_credentials() {
    let broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let opened = client.open_docs().await;
    let job = from_wire(&opened.lifetime.unwrap().expires_in.unwrap()).unwrap();
    let credential = opened.credentials[0].lifetime.unwrap().expires_in.unwrap();
    assert_eq!(job, from_wire(&credential).unwrap());
}

#[tokio::test]
async fn narrows_scopes_and_lifetime_as_asked() {
    let broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let mut request = client.request("deploy-docs");
    request.credentials = vec![v1::CredentialRequest {
        scopes: vec!["docs:read".into()],
        lifetime: Some(prost_types::Duration {
            seconds: 20,
            nanos: 0,
        }),
        ..wanted("docs-api")
    }];
    let opened = client.open(request).await.unwrap();
    let [docs] = &opened.credentials[..] else {
        panic!("one was asked for")
    };
    let claims = part(token(docs), 1);
    assert_eq!(claims["scope"], "docs:read");
    assert_eq!(
        claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(),
        20
    );
}

#[tokio::test]
async fn the_same_request_again_gives_the_same_job_and_leases() {
    let broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let request = client.request("deploy-docs");
    let first = client.open(request.clone()).await.unwrap();
    let again = client.open(request.clone()).await.unwrap();
    assert!(again.repeated);
    assert_eq!(again.decision_id, first.decision_id);
    let claims = |opened: &v1::OpenJobResponse| -> Vec<Value> {
        opened
            .credentials
            .iter()
            .map(|credential| part(token(credential), 1))
            .collect()
    };
    assert_eq!(claims(&first), claims(&again));

    let mut other = request;
    other
        .parameters
        .insert("ref".into(), "refs/heads/release/1".into());
    let refused = client.open(other).await.unwrap_err();
    assert_eq!(refused.reason, "JOB_ID_REUSED");
}

#[tokio::test]
async fn the_same_request_from_many_calls_at_once_makes_one_job() {
    let broker = Installation::start().await;
    let client = broker.client(CI).await;
    let request = client.request("deploy-docs");
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..32 {
        let (mut client, request) = (client.clone(), request.clone());
        calls.spawn(async move { client.open(request).await.unwrap() });
    }
    let answers = calls.join_all().await;
    assert_eq!(answers.iter().filter(|opened| !opened.repeated).count(), 1);
    assert!(
        answers
            .windows(2)
            .all(|pair| pair[0].decision_id == pair[1].decision_id)
    );
}

#[tokio::test]
async fn issues_more_to_an_open_job_and_stops_at_the_limit() {
    let broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let opened = client.open_docs().await;
    let more = client
        .issue(&opened.job_id, vec![wanted("tickets-api")])
        .await
        .unwrap();
    let [tickets] = &more.credentials[..] else {
        panic!("one was asked for")
    };
    assert!(tickets.lease_id.ends_with("_2"), "{}", tickets.lease_id);
    for _ in 0..30 {
        client
            .issue(&opened.job_id, vec![wanted("tickets-api")])
            .await
            .unwrap();
    }
    let refused = client
        .issue(&opened.job_id, vec![wanted("tickets-api")])
        .await
        .unwrap_err();
    assert_eq!(refused.reason, "JOB_LEASES_LIMIT");
}

#[tokio::test]
async fn an_id_whose_time_is_off_is_refused() {
    use crate::support::client::{random, unix_millis};
    let broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let hour = 3_600_000;
    let off = 60_000;
    for (millis, fine) in [
        (unix_millis() - hour - off, false),
        (unix_millis() + hour + off, false),
        (unix_millis() - hour + off, true),
        (unix_millis() + hour - off, true),
    ] {
        let mut request = client.request("deploy-docs");
        request.job_id = taskpass_proto::ids::JobId::new(millis, random()).to_string();
        match client.open(request).await {
            Ok(_) => assert!(fine),
            Err(refused) => {
                assert!(!fine);
                assert_eq!(refused.reason, "JOB_ID_TIME");
            }
        }
    }
}

#[tokio::test]
async fn stops_at_the_limit_of_live_jobs_and_goes_on_when_one_is_closed() {
    let broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let first = client.open(client.request("few")).await.unwrap();
    client.open(client.request("few")).await.unwrap();
    assert_eq!(
        client.open(client.request("few")).await.unwrap_err().reason,
        "LIVE_JOBS_LIMIT"
    );
    client.close(&first.job_id).await.unwrap();
    client.open(client.request("few")).await.unwrap();
    // Another workload has its own limit.
    let mut other = broker.client("spiffe://acme.example/prod/ci/other").await;
    other.open(other.request("few")).await.unwrap();
}

#[tokio::test]
async fn publishes_the_key_that_signs_and_the_next_one() {
    let broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let opened = client.open_docs().await;
    let kid = part(token(&opened.credentials[0]), 0)["kid"].clone();
    let (_, discovery) = http::get(broker.public, "/.well-known/openid-configuration")
        .await
        .unwrap();
    let discovery: Value = serde_json::from_str(&discovery).unwrap();
    assert_eq!(discovery["issuer"], format!("http://{}", broker.public));
    let (_, keys) = http::get(broker.public, "/.well-known/jwks.json")
        .await
        .unwrap();
    let keys: Value = serde_json::from_str(&keys).unwrap();
    let kids: Vec<&Value> = keys["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|k| &k["kid"])
        .collect();
    assert_eq!(kids.len(), 2);
    assert!(kids.contains(&&kid));
    assert!(
        !keys.to_string().contains("\"d\""),
        "a private part was published"
    );
}
