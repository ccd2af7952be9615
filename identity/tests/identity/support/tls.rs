//! Handshakes over an in-memory connection, also with peers that present and accept anything.

use std::io;
use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, Error, HandshakeKind, ServerConfig,
    SignatureScheme, SupportedProtocolVersion,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::mint::Key;

/// What one side saw of a connection.
#[derive(Debug)]
pub struct Seen {
    pub kind: HandshakeKind,
    pub peer: Vec<CertificateDer<'static>>,
    pub alpn: Option<Vec<u8>>,
}

/// Connects, sends a byte there and back, and says what the server and the client saw.
pub async fn meet(
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
) -> (io::Result<Seen>, io::Result<Seen>) {
    let (a, b) = tokio::io::duplex(256 * 1024);
    let server = async {
        let mut stream = TlsAcceptor::from(server).accept(a).await?;
        let byte = stream.read_u8().await?;
        stream.write_u8(byte).await?;
        stream.flush().await?;
        let connection = stream.get_ref().1;
        Ok(Seen {
            kind: connection.handshake_kind().unwrap(),
            peer: connection.peer_certificates().unwrap_or_default().to_vec(),
            alpn: connection.alpn_protocol().map(<[u8]>::to_vec),
        })
    };
    let client = async {
        let name = ServerName::try_from("nobody.invalid").unwrap();
        let mut stream = TlsConnector::from(client).connect(name, b).await?;
        stream.write_u8(42).await?;
        stream.flush().await?;
        stream.read_u8().await?;
        let connection = stream.get_ref().1;
        Ok(Seen {
            kind: connection.handshake_kind().unwrap(),
            peer: connection.peer_certificates().unwrap_or_default().to_vec(),
            alpn: connection.alpn_protocol().map(<[u8]>::to_vec),
        })
    };
    tokio::join!(server, client)
}

/// A client that presents anything and accepts anybody.
pub fn careless_client(
    chain: &[CertificateDer<'static>],
    key: &Key,
    version: &'static SupportedProtocolVersion,
) -> Arc<ClientConfig> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_client_cert_resolver(Arc::new(Anything::new(chain, key)));
    Arc::new(config)
}

/// A server that presents anything and accepts anybody.
pub fn careless_server(
    chain: &[CertificateDer<'static>],
    key: &Key,
    version: &'static SupportedProtocolVersion,
) -> Arc<ServerConfig> {
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_client_cert_verifier(Arc::new(Anybody))
        .with_cert_resolver(Arc::new(Anything::new(chain, key)));
    Arc::new(config)
}

pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Presents one chain, whatever it is; none at all if it is empty.
#[derive(Debug)]
struct Anything(Option<Arc<CertifiedKey>>);

impl Anything {
    fn new(chain: &[CertificateDer<'static>], key: &Key) -> Self {
        let key = PrivateKeyDer::Pkcs8(key.0.serialize_der().into());
        let key = ring::sign::any_supported_type(&key).unwrap();
        let chain = (!chain.is_empty()).then(|| CertifiedKey::new(chain.to_vec(), key));
        Self(chain.map(Arc::new))
    }
}

impl ResolvesServerCert for Anything {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.clone()
    }
}

impl ResolvesClientCert for Anything {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.clone()
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Accepts everybody.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = provider().signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for Anybody {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = provider().signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}
