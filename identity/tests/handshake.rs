//! Mutual TLS with what the certificate authority issues.

use std::sync::Arc;
use std::time::Duration;

use rustls::time_provider::{DefaultTimeProvider, TimeProvider};
use rustls_pki_types::ServerName;
use taskpass_identity::ca::CertificateAuthority;
use taskpass_identity::source::fixed::{FixedBundles, FixedSvid};
use taskpass_identity::tls::{Alpn, TlsIdentity};
use taskpass_identity::{BundleSet, PeerSvid};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, TlsConnector};

#[tokio::test]
async fn two_workloads_meet() {
    let now = DefaultTimeProvider.current_time().unwrap();
    let hour = Duration::from_hours(1);
    let ca = CertificateAuthority::new("acme.example".parse().unwrap(), hour, now).unwrap();
    let identity = |id: &str| TlsIdentity {
        svids: Arc::new(FixedSvid::new(
            ca.issue(&id.parse().unwrap(), hour, now)
                .unwrap()
                .parse()
                .unwrap(),
        )),
        bundles: Arc::new(FixedBundles::new(BundleSet::from(ca.bundle().unwrap()))),
        time: Arc::new(DefaultTimeProvider),
    };
    let server = identity("spiffe://acme.example/broker");
    let acceptor = TlsAcceptor::from(Arc::new(server.server_config().unwrap()));
    let client = identity("spiffe://acme.example/ci/docs");
    let expected = "spiffe://acme.example/broker".parse().unwrap();
    let connector = TlsConnector::from(Arc::new(client.client_config(expected, Alpn::H2).unwrap()));
    let (a, b) = tokio::io::duplex(64 * 1024);
    let name = ServerName::try_from("localhost").unwrap();
    let (accepted, connected) = tokio::join!(acceptor.accept(a), connector.connect(name, b));
    let (mut accepted, mut connected) = (accepted.unwrap(), connected.unwrap());
    connected.write_all(b"hi").await.unwrap();
    connected.flush().await.unwrap();
    let mut buffer = [0; 2];
    accepted.read_exact(&mut buffer).await.unwrap();
    let chain = accepted.get_ref().1.peer_certificates().unwrap();
    let peer = PeerSvid::verify(chain, &server.bundles.current(), now).unwrap();
    assert_eq!(peer.id().as_str(), "spiffe://acme.example/ci/docs");
    peer.recheck(&server.bundles.current(), now).unwrap();
}
