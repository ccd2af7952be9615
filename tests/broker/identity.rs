//! Who is let in: only workloads with a trusted X.509-SVID, checked on every call.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::UnixTime;
use taskpass_identity::BundleSet;
use taskpass_identity::ca::CertificateAuthority;
use taskpass_identity::source::fixed::{FixedBundles, FixedSvid};
use taskpass_identity::tls::TlsIdentity;
use taskpass_proto::v1::IntrospectRequest;
use taskpass_proto::v1::broker_client::BrokerClient;

use crate::support::client::try_connect;
use crate::support::installation::{Installation, TRUST_DOMAIN, write_svid};
use crate::support::{eventually, http};

const CI: &str = "spiffe://acme.example/prod/ci/docs";
const HOUR: Duration = Duration::from_secs(3600);

/// An identity of another authority that trusts the installation's.
fn foreign(broker: &Installation, trust_domain: &str, id: &str) -> TlsIdentity {
    let authority =
        CertificateAuthority::new(trust_domain.parse().unwrap(), HOUR, UnixTime::now()).unwrap();
    let svid = authority
        .issue(&id.parse().unwrap(), HOUR, UnixTime::now())
        .unwrap();
    TlsIdentity {
        svids: Arc::new(FixedSvid::new(svid.parse().unwrap())),
        ..broker.identity(CI)
    }
}

/// Whether a call gets through with an identity. TLS 1.3 tells a refused client at its first read.
async fn gets_through(broker: &Installation, identity: &TlsIdentity) -> bool {
    let Ok(channel) = try_connect(broker.workload, identity).await else {
        return false;
    };
    let mut client = BrokerClient::new(channel);
    client
        .introspect(IntrospectRequest::default())
        .await
        .is_ok()
}

#[tokio::test]
async fn refuses_svids_that_no_root_of_their_domain_vouches_for() {
    let broker = Installation::start().await;
    assert!(gets_through(&broker, &broker.identity(CI)).await);
    // The right name from the wrong authority; a domain that is not configured.
    assert!(!gets_through(&broker, &foreign(&broker, TRUST_DOMAIN, CI)).await);
    let other = foreign(&broker, "other.example", "spiffe://other.example/ci");
    assert!(!gets_through(&broker, &other).await);
    let (_, metrics) = http::get(broker.operations, "/metrics").await.unwrap();
    let refused = r#"taskpass_handshakes_refused_total{why="untrusted_domain"}"#;
    let count = http::metric(&metrics, refused).unwrap();
    assert!(count > 0.0, "{metrics}");
}

#[tokio::test]
async fn a_client_insists_on_the_brokers_exact_id() {
    let broker = Installation::start().await;
    let identity = broker.identity(CI);
    // Somebody else of the same trust domain takes the broker's place.
    write_svid(
        &broker.authority,
        &broker.path("broker"),
        "spiffe://acme.example/prod/ci/docs",
    );
    let refused = eventually("the impostor is refused", || async {
        (!gets_through(&broker, &identity).await).then_some(())
    });
    // The broker itself never takes over an SVID of another workload, so its clients go on.
    let goes_on = async {
        for _ in 0..30 {
            assert!(gets_through(&broker, &identity).await);
        }
    };
    tokio::select! { () = refused => panic!("the broker presented another's SVID"), () = goes_on => {} }
}

#[tokio::test]
async fn an_svid_that_expires_is_refused_on_the_connection_that_it_opened() {
    let broker = Installation::start().await;
    let short = Duration::from_secs(3);
    let issued = broker
        .authority
        .issue(&CI.parse().unwrap(), short, UnixTime::now())
        .unwrap();
    let identity = TlsIdentity {
        svids: Arc::new(FixedSvid::new(issued.parse().unwrap())),
        ..broker.identity(CI)
    };
    let channel = try_connect(broker.workload, &identity).await.unwrap();
    let client = BrokerClient::new(channel);
    assert!(
        client
            .clone()
            .introspect(IntrospectRequest::default())
            .await
            .is_ok()
    );
    eventually("the call is refused", || {
        let mut client = client.clone();
        async move {
            client
                .introspect(IntrospectRequest::default())
                .await
                .err()
                .map(drop)
        }
    })
    .await;
}

#[tokio::test]
async fn a_root_that_is_taken_out_is_not_trusted_on_open_connections_either() {
    let broker = Installation::start().await;
    let client = broker.client(CI).await;
    assert!(
        client
            .clone()
            .grpc
            .introspect(IntrospectRequest::default())
            .await
            .is_ok()
    );
    let other = CertificateAuthority::new(TRUST_DOMAIN.parse().unwrap(), HOUR, UnixTime::now());
    fs::write(broker.path("bundle.pem"), other.unwrap().certificate_pem()).unwrap();
    let refused = eventually("the open connection is refused", || {
        let mut client = client.clone();
        async move {
            client
                .grpc
                .introspect(IntrospectRequest::default())
                .await
                .err()
        }
    })
    .await;
    let refused: crate::support::client::Refused = refused.into();
    assert_eq!(refused.reason, "SVID_REFUSED");
}

#[tokio::test]
async fn the_brokers_own_svid_rotates_without_a_refused_call() {
    let broker = Installation::start().await;
    let identity = broker.identity(CI);
    let leaf = async || {
        let config = identity
            .client_config(
                crate::support::installation::BROKER.parse().unwrap(),
                taskpass_identity::tls::Alpn::H2,
            )
            .unwrap();
        let stream = tokio::net::TcpStream::connect(broker.workload)
            .await
            .unwrap();
        let name = rustls_pki_types::ServerName::from(broker.workload.ip());
        let stream = tokio_rustls::TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
            .unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    };
    let before = leaf().await;
    write_svid(
        &broker.authority,
        &broker.path("broker"),
        crate::support::installation::BROKER,
    );
    eventually("the new SVID is presented", || async {
        (leaf().await != before).then_some(())
    })
    .await;
}

#[tokio::test]
async fn two_trust_domains_have_roots_of_their_own() {
    let authority =
        CertificateAuthority::new("other.example".parse().unwrap(), HOUR, UnixTime::now()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("other.pem");
    fs::write(&bundle, authority.certificate_pem()).unwrap();
    let more = format!(
        "[trust_domain.\"other.example\"]\nbundle = \"{}\"",
        bundle.display()
    );
    let plan = crate::support::installation::Plan {
        more: &more,
        ..Default::default()
    };
    let broker = Installation::with(plan).await;
    let svid = |id: &str| authority.issue(&id.parse().unwrap(), HOUR, UnixTime::now());
    let theirs = TlsIdentity {
        svids: Arc::new(FixedSvid::new(
            svid("spiffe://other.example/ci").unwrap().parse().unwrap(),
        )),
        bundles: Arc::new(FixedBundles::new(
            BundleSet::new([broker.authority.bundle().unwrap()]).unwrap(),
        )),
        time: Arc::new(rustls::time_provider::DefaultTimeProvider),
    };
    assert!(gets_through(&broker, &theirs).await);
    // The other domain's authority cannot vouch for a workload of this one.
    assert!(svid(CI).is_err());
    assert!(!gets_through(&broker, &foreign(&broker, TRUST_DOMAIN, CI)).await);
}
