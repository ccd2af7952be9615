//! Picks the SVID that a handshake presents.

use std::fmt;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::TlsIdentity;

/// Presents the SVID that is current at the time of the handshake, and none that has expired.
pub(super) struct Presenter {
    identity: TlsIdentity,
}

impl Presenter {
    pub(super) fn new(identity: TlsIdentity) -> Self {
        Self { identity }
    }

    fn current(&self) -> Option<Arc<CertifiedKey>> {
        let now = self.identity.time.current_time()?;
        let svid = self.identity.svids.current();
        svid.is_valid_at(now).then(|| svid.certified_key())
    }
}

impl ResolvesServerCert for Presenter {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.current()
    }
}

impl ResolvesClientCert for Presenter {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.current()
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl fmt::Debug for Presenter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presenter").finish_non_exhaustive()
    }
}
