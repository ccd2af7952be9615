//! The server's side: asks every client for an X.509-SVID.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::failure::refused;
use super::presenter::Presenter;
use super::{Alpn, TlsIdentity};
use crate::crypto::{provider, signature_algorithms};
use crate::source::BundleSource;
use crate::verifier::verify;

/// See [`TlsIdentity::server_config`].
pub(super) fn config(identity: &TlsIdentity) -> Result<ServerConfig, rustls::Error> {
    let verifier = Arc::new(ClientVerifier {
        bundles: Arc::clone(&identity.bundles),
    });
    let mut config = ServerConfig::builder_with_details(provider(), Arc::clone(&identity.time))
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(Presenter::new(identity.clone())));
    // INVARIANT: nothing to resume a session with is kept or handed out. A resumed session would
    // carry on with certificates that were judged by bundles of the past.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = vec![Alpn::H2.protocol(), Alpn::Http1.protocol()];
    Ok(config)
}

/// Accepts clients with a trusted X.509-SVID.
struct ClientVerifier {
    bundles: Arc<dyn BundleSource>,
}

impl ClientCertVerifier for ClientVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // Whom we trust is nobody's business before we know who is asking.
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        issuers: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let chain: Vec<_> = std::iter::once(leaf).chain(issuers).cloned().collect();
        verify(&chain, &self.bundles.current(), now).map_err(refused)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &signature_algorithms())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &signature_algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        signature_algorithms().supported_schemes()
    }
}

impl fmt::Debug for ClientVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientVerifier").finish_non_exhaustive()
    }
}
