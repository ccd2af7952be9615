//! Clients that stay connected and say nothing.

use std::sync::Arc;

use rustls_pki_types::ServerName;
use taskpass_identity::tls::Alpn;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::support::installation::{BROKER, Installation};

/// The preface of HTTP/2 (RFC 9113, section 3.4) and an empty SETTINGS frame.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const CI: &str = "spiffe://acme.example/prod/ci/docs";

#[tokio::test]
async fn nobody_who_stays_connected_and_silent_holds_up_a_shutdown() {
    let mut broker = Installation::start().await;
    let mut plain = Vec::new();
    for address in [broker.operations, broker.public, broker.workload] {
        for said in [&b""[..], b"GET /metrics HTTP/1.1\r\nHost: a", PREFACE] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(said).await.unwrap();
            plain.push(stream);
        }
    }
    let mut operators = Vec::new();
    for said in [&b""[..], b"PRI * HTT", PREFACE] {
        let mut stream = UnixStream::connect(broker.path("admin.sock"))
            .await
            .unwrap();
        stream.write_all(said).await.unwrap();
        operators.push(stream);
    }
    let mut workloads = Vec::new();
    for said in [&b""[..], b"POST /introspect HTTP/1.1\r\nHost: a", PREFACE] {
        let config = broker.identity(CI);
        let config = config.client_config(BROKER.parse().unwrap(), Alpn::H2);
        let tls = TlsConnector::from(Arc::new(config.unwrap()));
        let stream = TcpStream::connect(broker.workload).await.unwrap();
        let name = ServerName::from(broker.workload.ip());
        let mut stream = tls.connect(name, stream).await.unwrap();
        stream.write_all(said).await.unwrap();
        stream.flush().await.unwrap();
        workloads.push(stream);
    }
    assert!(broker.broker.stop().success());
    drop((plain, operators, workloads));
}
