//! The client's side: insists on one SPIFFE ID.

use std::fmt;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::failure::refused;
use super::presenter::Presenter;
use super::{Alpn, TlsIdentity};
use crate::crypto::{provider, signature_algorithms};
use crate::source::BundleSource;
use crate::spiffe_id::SpiffeId;
use crate::svid_error::SvidError;
use crate::verifier::verify;

/// See [`TlsIdentity::client_config`].
pub(super) fn config(
    identity: &TlsIdentity,
    expected: SpiffeId,
    alpn: Alpn,
) -> Result<ClientConfig, rustls::Error> {
    let verifier = Arc::new(ServerVerifier {
        bundles: Arc::clone(&identity.bundles),
        expected,
    });
    let mut config = ClientConfig::builder_with_details(provider(), Arc::clone(&identity.time))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(Arc::new(Presenter::new(identity.clone())));
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![alpn.protocol()];
    Ok(config)
}

/// Accepts one workload, by its trusted X.509-SVID.
///
/// Anybody of the right trust domain is not enough: who poses as the server collects what clients
/// send to it.
struct ServerVerifier {
    bundles: Arc<dyn BundleSource>,
    expected: SpiffeId,
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        issuers: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain: Vec<_> = std::iter::once(leaf).chain(issuers).cloned().collect();
        let presented = verify(&chain, &self.bundles.current(), now).map_err(refused)?;
        if presented.id != self.expected {
            return Err(refused(SvidError::UnexpectedId {
                expected: self.expected.clone(),
                presented: presented.id,
            }));
        }
        Ok(ServerCertVerified::assertion())
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

impl fmt::Debug for ServerVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerVerifier")
            .field("expected", &self.expected)
            .finish_non_exhaustive()
    }
}
