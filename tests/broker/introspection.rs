//! Introspection tells a verifier about active tokens of its own audiences, and nothing about any other.

use std::net::SocketAddr;
use std::sync::Arc;

use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use serde_json::{Value, json};
use taskpass_identity::tls::{Alpn, TlsIdentity};
use taskpass_proto::v1;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use crate::support::client::token;
use crate::support::installation::{BROKER, Installation};

const CI: &str = "spiffe://acme.example/prod/ci/docs";
const VERIFIER: &str = "spiffe://acme.example/prod/docs-api";

/// Posts a form to the workload port over HTTP/1.1 and mutual TLS.
async fn post(broker: SocketAddr, identity: &TlsIdentity, body: String) -> (u16, Value) {
    let config = identity
        .client_config(BROKER.parse().unwrap(), Alpn::Http1)
        .unwrap();
    let stream = TcpStream::connect(broker).await.unwrap();
    let name = ServerName::from(broker.ip());
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .unwrap();
    let io = TokioIo::new(stream);
    let (mut sender, driver) = hyper::client::conn::http1::handshake(io).await.unwrap();
    let mut driving = JoinSet::new();
    driving.spawn(async move { drop(driver.await) });
    let request = Request::post("/introspect")
        .header("host", "broker")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::<Bytes>::from(body))
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

#[tokio::test]
async fn tells_a_verifier_everything_of_an_active_token_of_its_audience() {
    let broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let mut verifier = broker.client(VERIFIER).await;
    let opened = client.open_docs().await;
    let docs = &opened.credentials[0];
    let over_grpc = verifier.introspect(token(docs)).await;
    assert!(over_grpc.active);
    assert_eq!(
        (over_grpc.sub.as_str(), over_grpc.scope.as_str()),
        (CI, "docs:read docs:write")
    );
    assert_eq!(
        (over_grpc.task.as_str(), &over_grpc.job),
        ("deploy-docs", &opened.job_id)
    );

    let form = format!("token={}&token_type_hint=access_token", token(docs));
    let (status, over_http) = post(broker.workload, &broker.identity(VERIFIER), form).await;
    assert_eq!(status, 200);
    assert_eq!(over_http["active"], true);
    assert_eq!(over_http["jti"], format!("{}.1", docs.lease_id));
    assert_eq!(
        over_http["exp"].as_i64().unwrap(),
        over_grpc.exp.unwrap().seconds
    );
}

#[tokio::test]
async fn tells_everybody_else_no_more_than_inactive() {
    let broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let opened = client.open(client.request("deploy-docs")).await.unwrap();
    let by_name = |name| opened.credentials.iter().find(|c| c.name == name).unwrap();
    let (docs, tickets) = (token(by_name("docs-api")), token(by_name("tickets-api")));
    let inactive = v1::IntrospectResponse::default();
    // The workload itself, a stranger, and a verifier of another audience.
    assert_eq!(client.introspect(docs).await, inactive);
    let mut stranger = broker.client("spiffe://acme.example/prod/stranger").await;
    assert_eq!(stranger.introspect(docs).await, inactive);
    let mut verifier = broker.client(VERIFIER).await;
    assert_eq!(verifier.introspect(tickets).await, inactive);
    let identity = broker.identity("spiffe://acme.example/prod/stranger");
    let answer = post(broker.workload, &identity, format!("token={docs}")).await;
    assert_eq!(answer, (200, json!({ "active": false })));
}

#[tokio::test]
async fn a_token_that_was_tampered_with_or_is_foreign_is_inactive() {
    let broker = Installation::start().await;
    let foreign = Installation::start().await;
    let mut client = broker.client(CI).await;
    let mut verifier = broker.client(VERIFIER).await;
    let opened = client.open_docs().await;
    let good = token(&opened.credentials[0]).to_owned();
    let mut elsewhere = foreign.client(CI).await;
    let opened_elsewhere = elsewhere.open_docs().await;
    let theirs = token(&opened_elsewhere.credentials[0]).to_owned();
    assert!(verifier.introspect(&good).await.active);
    let parts: Vec<&str> = good.split('.').collect();
    let none = data_encoding::BASE64URL_NOPAD.encode(br#"{"alg":"none","typ":"at+jwt"}"#);
    let bad = [
        String::new(),
        ".".into(),
        "..".into(),
        "a.b.c".into(),
        theirs,
        format!("{good}x"),
        format!("{good}."),
        format!(" {good}"),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{none}.{}.", parts[1]),
        format!("{none}.{}.{}", parts[1], parts[2]),
        good.replacen('.', "..", 1),
    ];
    for token in bad {
        assert!(!verifier.introspect(&token).await.active, "{token}");
    }
    // One bit anywhere.
    for place in (0..good.len()).step_by(7) {
        let mut changed = good.clone().into_bytes();
        changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(
            changed == good || !verifier.introspect(&changed).await.active,
            "{place}"
        );
    }
}
