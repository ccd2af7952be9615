//! Two workloads meet over mutual TLS.

use std::sync::Arc;

use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};
use taskpass_identity::ca::CertificateAuthority;
use taskpass_identity::source::fixed::{FixedBundles, FixedSvid};
use taskpass_identity::tls::{Alpn, TlsIdentity, failure_code, svid_error};
use taskpass_identity::{BundleSet, PeerSvid, SpiffeId, SvidError, X509Svid};

use crate::support::mint::Key;
use crate::support::tls::{careless_client, careless_server, meet};
use crate::support::{Frozen, HOUR, clock, domain, later, now};

const BROKER: &str = "spiffe://acme.example/broker";
const DOCS: &str = "spiffe://acme.example/ci/docs";

fn id(text: &str) -> SpiffeId {
    text.parse().unwrap()
}

fn authority() -> CertificateAuthority {
    CertificateAuthority::new(domain("acme.example"), HOUR * 24, now()).unwrap()
}

fn svid(ca: &CertificateAuthority, who: &str) -> X509Svid {
    ca.issue(&id(who), HOUR, now()).unwrap().parse().unwrap()
}

fn identity(ca: &CertificateAuthority, who: &str) -> TlsIdentity {
    TlsIdentity {
        svids: Arc::new(FixedSvid::new(svid(ca, who))),
        bundles: Arc::new(FixedBundles::new(BundleSet::from(ca.bundle().unwrap()))),
        time: clock(),
    }
}

#[tokio::test]
async fn each_sees_who_the_other_is() {
    let ca = authority();
    let (broker, docs) = (identity(&ca, BROKER), identity(&ca, DOCS));
    let server = Arc::new(broker.server_config().unwrap());
    for (alpn, protocol) in [(Alpn::H2, "h2"), (Alpn::Http1, "http/1.1")] {
        let client = Arc::new(docs.client_config(id(BROKER), alpn).unwrap());
        let (server_saw, client_saw) = meet(Arc::clone(&server), client).await;
        let (server_saw, client_saw) = (server_saw.unwrap(), client_saw.unwrap());
        let bundles = broker.bundles.current();
        let peer = PeerSvid::verify(&server_saw.peer, &bundles, now()).unwrap();
        assert_eq!(peer.id(), &id(DOCS));
        let peer = PeerSvid::verify(&client_saw.peer, &bundles, now()).unwrap();
        assert_eq!(peer.id(), &id(BROKER));
        assert_eq!(server_saw.alpn.as_deref(), Some(protocol.as_bytes()));
        assert_eq!(client_saw.alpn.as_deref(), Some(protocol.as_bytes()));
    }
}

#[tokio::test]
async fn no_session_is_ever_resumed() {
    let ca = authority();
    let server = Arc::new(identity(&ca, BROKER).server_config().unwrap());
    let ours = identity(&ca, DOCS)
        .client_config(id(BROKER), Alpn::H2)
        .unwrap();
    assert_eq!(server.send_tls13_tickets, 0);
    assert!(!server.session_storage.can_cache() && !server.ticketer.enabled());
    // A client that would resume if it could, in both versions.
    let willing = [&TLS13, &TLS12].map(|version| {
        let key = Key::new();
        let leaf = ca_signed(&ca, &key);
        careless_client(&[leaf], &key, version)
    });
    for client in [Arc::new(ours)].into_iter().chain(willing) {
        for _ in 0..3 {
            let (server_saw, client_saw) = meet(Arc::clone(&server), Arc::clone(&client)).await;
            let full = |kind| {
                matches!(
                    kind,
                    HandshakeKind::Full | HandshakeKind::FullWithHelloRetryRequest
                )
            };
            assert!(full(server_saw.unwrap().kind));
            assert!(full(client_saw.unwrap().kind));
        }
    }
}

#[tokio::test]
async fn a_client_never_resumes_with_a_server_that_offers_it() {
    let ca = authority();
    let key = Key::new();
    let leaf = ca_signed(&ca, &key);
    for version in [&TLS13, &TLS12] {
        let server = careless_server(std::slice::from_ref(&leaf), &key, version);
        let client = identity(&ca, BROKER)
            .client_config(id(DOCS), Alpn::H2)
            .unwrap();
        let client = Arc::new(client);
        for _ in 0..3 {
            let (_, client_saw) = meet(Arc::clone(&server), Arc::clone(&client)).await;
            assert_eq!(client_saw.unwrap().kind, HandshakeKind::Full);
        }
    }
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused() {
    let ca = authority();
    let server = Arc::new(identity(&ca, BROKER).server_config().unwrap());
    for version in [&TLS13, &TLS12] {
        let client = careless_client(&[], &Key::new(), version);
        let (server_saw, client_saw) = meet(Arc::clone(&server), client).await;
        assert_eq!(failure_code(&server_saw.unwrap_err()), "no_certificate");
        assert_eq!(failure_code(&client_saw.unwrap_err()), "refused_by_peer");
    }
}

#[tokio::test]
async fn a_client_accepts_nobody_but_whom_it_calls() {
    let ca = authority();
    let server = Arc::new(
        identity(&ca, "spiffe://acme.example/broker/other")
            .server_config()
            .unwrap(),
    );
    let client = identity(&ca, DOCS)
        .client_config(id(BROKER), Alpn::H2)
        .unwrap();
    let (server_saw, client_saw) = meet(server, Arc::new(client)).await;
    assert_eq!(failure_code(&server_saw.unwrap_err()), "refused_by_peer");
    let error = client_saw.unwrap_err();
    let expected = SvidError::UnexpectedId {
        expected: id(BROKER),
        presented: id("spiffe://acme.example/broker/other"),
    };
    assert_eq!(svid_error(&error), Some(&expected));
    assert_eq!(failure_code(&error), "unexpected_id");
}

#[tokio::test]
async fn the_refused_learn_no_more_than_that() {
    let (ca, stranger) = (authority(), authority());
    let server = Arc::new(identity(&ca, BROKER).server_config().unwrap());
    let client = TlsIdentity {
        bundles: identity(&ca, DOCS).bundles,
        ..identity(&stranger, DOCS)
    };
    let client = client.client_config(id(BROKER), Alpn::H2).unwrap();
    let (server_saw, client_saw) = meet(server, Arc::new(client)).await;
    assert_eq!(failure_code(&server_saw.unwrap_err()), "bad_signature");
    let error = client_saw.unwrap_err();
    assert_eq!(svid_error(&error), None);
    assert_eq!(
        error.to_string(),
        "received fatal alert: CertificateUnknown"
    );
}

#[tokio::test]
async fn an_expired_svid_of_our_own_is_not_presented() {
    let ca = authority();
    let (broker, docs) = (identity(&ca, BROKER), identity(&ca, DOCS));
    let tomorrow = || Arc::new(Frozen(later(7200)));
    let server = Arc::new(broker.server_config().unwrap());
    let late = TlsIdentity {
        time: tomorrow(),
        ..docs.clone()
    };
    let late = TlsIdentity {
        bundles: Arc::clone(&docs.bundles),
        ..late
    };
    let client = late.client_config(id(BROKER), Alpn::H2).unwrap();
    // The client's clock says that both SVIDs have expired, and the server's presents its own.
    let (_, client_saw) = meet(Arc::clone(&server), Arc::new(client)).await;
    assert_eq!(failure_code(&client_saw.unwrap_err()), "expired");
    let late = TlsIdentity {
        time: tomorrow(),
        ..broker
    };
    let server = Arc::new(late.server_config().unwrap());
    let client = docs.client_config(id(BROKER), Alpn::H2).unwrap();
    let (server_saw, client_saw) = meet(server, Arc::new(client)).await;
    assert_eq!(failure_code(&server_saw.unwrap_err()), "tls");
    assert_eq!(failure_code(&client_saw.unwrap_err()), "refused_by_peer");
}

#[tokio::test]
async fn a_new_svid_is_presented_from_the_next_handshake_on() {
    let ca = authority();
    let svids = Arc::new(FixedSvid::new(svid(&ca, BROKER)));
    let broker = TlsIdentity {
        svids: svids.clone(),
        ..identity(&ca, BROKER)
    };
    let server = Arc::new(broker.server_config().unwrap());
    let client = identity(&ca, DOCS)
        .client_config(id(BROKER), Alpn::H2)
        .unwrap();
    let client = Arc::new(client);
    let mut presented = Vec::new();
    for _ in 0..3 {
        let (_, client_saw) = meet(Arc::clone(&server), Arc::clone(&client)).await;
        let leaf = client_saw.unwrap().peer[0].clone();
        assert_eq!(leaf, broker.svids.current().chain()[0]);
        assert!(!presented.contains(&leaf));
        presented.push(leaf);
        svids.replace(svid(&ca, BROKER));
    }
}

#[tokio::test]
async fn new_bundles_count_from_the_next_handshake_on() {
    let (old, new) = (authority(), authority());
    let bundles = Arc::new(FixedBundles::new(BundleSet::from(old.bundle().unwrap())));
    let broker = TlsIdentity {
        bundles: bundles.clone(),
        ..identity(&old, BROKER)
    };
    let server = Arc::new(broker.server_config().unwrap());
    let client = identity(&old, DOCS)
        .client_config(id(BROKER), Alpn::H2)
        .unwrap();
    let client = Arc::new(client);
    let (server_saw, _) = meet(Arc::clone(&server), Arc::clone(&client)).await;
    server_saw.unwrap();
    bundles.replace(BundleSet::from(new.bundle().unwrap()));
    let (server_saw, _) = meet(Arc::clone(&server), Arc::clone(&client)).await;
    assert_eq!(failure_code(&server_saw.unwrap_err()), "bad_signature");
}

#[tokio::test]
async fn a_connection_that_breaks_off_or_talks_nonsense_has_a_label() {
    use tokio::io::AsyncWriteExt;
    let ca = authority();
    let server = Arc::new(identity(&ca, BROKER).server_config().unwrap());
    for (bytes, label) in [("", "closed"), ("GET / HTTP/1.1\r\n\r\n", "tls")] {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        theirs.write_all(bytes.as_bytes()).await.unwrap();
        drop(theirs);
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::clone(&server));
        let error = acceptor.accept(ours).await.unwrap_err();
        assert_eq!(failure_code(&error), label, "{error}");
    }
    let timeout = std::io::Error::from(std::io::ErrorKind::TimedOut);
    assert_eq!(failure_code(&timeout), "timeout");
}

/// A leaf of the authority for a key that a test holds.
fn ca_signed(ca: &CertificateAuthority, key: &Key) -> rustls_pki_types::CertificateDer<'static> {
    use crate::support::mint::{Authority, Template};
    let signer = rcgen::KeyPair::from_pem(&ca.private_key_pem()).unwrap();
    let template = Template {
        subject: ca_subject(ca),
        ..Template::authority("unused")
    };
    Authority::root_with(template, Key(signer)).sign(&Template::leaf(DOCS), key)
}

/// The name of an authority, in DER.
fn ca_subject(ca: &CertificateAuthority) -> Vec<u8> {
    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject;
    let der = CertificateDer::from_pem_slice(ca.certificate_pem().as_bytes()).unwrap();
    let (_, certificate) = x509_parser::parse_x509_certificate(&der).unwrap();
    certificate.subject().as_raw().to_vec()
}
