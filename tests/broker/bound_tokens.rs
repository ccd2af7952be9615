//! Bound tokens (RFC 8705): to the certificate of the client that asks, to no other, and never unbound instead.

use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;
use taskpass_proto::v1;

use crate::support::client::{Client, Refused, bound, token, wanted};
use crate::support::installation::{Installation, write_svid};
use crate::support::local::Local;
use crate::support::operator::Operator;

const CI: &str = "spiffe://acme.example/prod/ci/docs";
const VERIFIER: &str = "spiffe://acme.example/prod/docs-api";

/// A client of files that [`write_svid`] writes, and the thumbprint of its certificate.
async fn client(broker: &Installation, files: &str) -> (Client, [u8; 32]) {
    write_svid(&broker.authority, &broker.path(files), CI);
    let client = broker.client_with_files(files).await;
    (client, broker.thumbprint_of_files(files))
}

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64URL_NOPAD.decode(payload.as_bytes()).unwrap()).unwrap()
}

async fn renew(
    client: &mut Client,
    lease: &str,
    generation: u32,
    to: Option<[u8; 32]>,
) -> Result<v1::IssuedCredential, Refused> {
    let request = v1::RenewRequest {
        lease_id: lease.into(),
        holder: Some(client.holder.clone()),
        generation,
        binding: to.map(|to| v1::renew_request::Binding::X5tS256(to.into())),
    };
    let renewed = client.grpc.renew(request).await?.into_inner();
    Ok(renewed.credential.unwrap())
}

#[tokio::test]
async fn a_bound_token_names_the_certificate_that_asked_for_it() {
    let broker = Installation::start().await;
    let (mut client, own) = client(&broker, "client").await;
    let mut request = client.request("deploy-docs");
    request.credentials = vec![bound("docs-api", own), wanted("tickets-api")];
    let opened = client.open(request.clone()).await.unwrap();
    let by_name = |opened: &v1::OpenJobResponse, name: &str| {
        let found = opened.credentials.iter().find(|c| c.name == name);
        token(found.unwrap()).to_owned()
    };
    let thumbprint = BASE64URL_NOPAD.encode(&own);
    let docs = by_name(&opened, "docs-api");
    assert_eq!(claims(&docs)["cnf"]["x5t#S256"], thumbprint);
    assert!(
        claims(&by_name(&opened, "tickets-api"))
            .get("cnf")
            .is_none()
    );
    let mut verifier = broker.client(VERIFIER).await;
    let introspected = verifier.introspect(&docs).await;
    assert_eq!(introspected.cnf.unwrap().x5t_s256, own);
    // Asked again it is bound as before; asked without, it is another request.
    let again = client.open(request.clone()).await.unwrap();
    assert!(again.repeated);
    assert_eq!(claims(&by_name(&again, "docs-api")), claims(&docs));
    request.credentials[0].binding = None;
    let refused = client.open(request).await.unwrap_err();
    assert_eq!(refused.reason, "JOB_ID_REUSED");
    // More credentials of the same job, bound too.
    let more = client
        .issue(&opened.job_id, vec![bound("docs-api", own)])
        .await
        .unwrap();
    assert_eq!(
        claims(token(&more.credentials[0]))["cnf"]["x5t#S256"],
        thumbprint
    );
    let mut operator = Operator::connect(&broker).await;
    let records = operator.of_job(&opened.job_id).await;
    let issued = records
        .iter()
        .filter(|record| record.event == "lease.issued");
    let bound = issued.filter(|record| record.details.contains(&thumbprint));
    assert_eq!(
        bound.count(),
        2,
        "the audit log says what is bound to which"
    );
}

#[tokio::test]
async fn a_client_binds_to_its_own_certificate_only() {
    let broker = Installation::start().await;
    let (mut client, own) = client(&broker, "client").await;
    let (_, foreign) = self::client(&broker, "other").await;
    let mut request = client.request("deploy-docs");
    request.credentials = vec![bound("docs-api", foreign)];
    let refused = client.open(request.clone()).await.unwrap_err();
    assert_eq!(refused.reason, "BINDING_MISMATCH");
    request.credentials[0].binding = Some(v1::credential_request::Binding::X5tS256(vec![1; 31]));
    assert_eq!(
        client.open(request.clone()).await.unwrap_err().reason,
        "REQUEST_INVALID"
    );
    request.credentials[0].binding = Some(v1::credential_request::Binding::Jkt(own.into()));
    assert_eq!(
        client.open(request.clone()).await.unwrap_err().reason,
        "BINDING_UNSUPPORTED"
    );
    // Nothing of it was opened.
    let mut operator = Operator::connect(&broker).await;
    assert!(operator.of_job(&request.job_id).await.is_empty());
    let opened = client.open_docs().await;
    let refused = client
        .issue(&opened.job_id, vec![bound("docs-api", foreign)])
        .await;
    assert_eq!(refused.unwrap_err().reason, "BINDING_MISMATCH");
}

#[tokio::test]
async fn a_renewal_keeps_the_binding_and_follows_a_rotated_svid_only_when_it_says_so() {
    let broker = Installation::start().await;
    let (mut client, old) = client(&broker, "client").await;
    let mut request = client.request("deploy-docs");
    request.credentials = vec![bound("docs-api", old)];
    let opened = client.open(request.clone()).await.unwrap();
    let lease = &opened.credentials[0].lease_id;
    let kept = renew(&mut client, lease, 1, None).await.unwrap();
    assert_eq!(
        claims(token(&kept))["cnf"]["x5t#S256"],
        BASE64URL_NOPAD.encode(&old)
    );
    // The SVID is rotated: another certificate of the same workload and holder.
    let (mut rotated, new) = self::client(&broker, "client").await;
    rotated.holder = client.holder.clone();
    let refused = renew(&mut rotated, lease, 2, None).await.unwrap_err();
    assert_eq!(refused.reason, "BINDING_MISMATCH");
    assert!(refused.message.contains("x5t_s256"), "{}", refused.message);
    let refused = renew(&mut rotated, lease, 2, Some(old)).await.unwrap_err();
    assert_eq!(refused.reason, "BINDING_MISMATCH");
    let bound_anew = renew(&mut rotated, lease, 2, Some(new)).await.unwrap();
    assert_eq!(
        claims(token(&bound_anew))["cnf"]["x5t#S256"],
        BASE64URL_NOPAD.encode(&new)
    );
    // What is repeated over the old connection is still bound, as it is recorded.
    let again = client.open(request).await.unwrap();
    let cnf = claims(token(&again.credentials[0]))["cnf"]["x5t#S256"].clone();
    assert_eq!(cnf, BASE64URL_NOPAD.encode(&new));
    // A lease never becomes bound later.
    let bearer = client.open_docs().await;
    let refused = renew(&mut client, &bearer.credentials[0].lease_id, 1, Some(old)).await;
    assert_eq!(refused.unwrap_err().reason, "BINDING_MISMATCH");
}

#[tokio::test]
async fn an_agent_refuses_a_binding_with_its_reason() {
    let broker = Installation::start().await;
    let _agent = broker.agent("agent", CI).await;
    let thumbprint = BASE64URL_NOPAD.encode(&[1; 32]);
    let body = serde_json::json!({
        "task": "deploy-docs", "params": { "ref": "refs/heads/main" },
        "credentials": [{ "name": "docs-api", "binding": { "x5t_s256": thumbprint } }],
    });
    let socket = broker.path("agent.sock");
    let mut local = Local::connect(&socket).await;
    let (status, answer) = local.call("POST", "/v1/jobs", &body).await;
    assert_eq!(
        (status, &answer["reason"]),
        (400, &"BINDING_UNSUPPORTED".into()),
        "{answer}"
    );
}
