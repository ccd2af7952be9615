//! Why a handshake failed.

use std::error::Error;
use std::io;
use std::sync::Arc;

use rustls::{CertificateError, OtherError};

use crate::svid_error::SvidError;

/// The rule for which *we* refused the peer's certificates, found anywhere among an error's causes.
pub fn svid_error<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e SvidError> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// A short label for metrics, saying why a handshake failed.
///
/// That is [`SvidError::code`] where we refused the peer's certificates, and otherwise
/// `no_certificate` (the peer presented none), `refused_by_peer`, `no_common_protocol`,
/// `timeout`, `closed` (the connection broke off) or `tls`.
pub fn failure_code(error: &(dyn Error + 'static)) -> &'static str {
    if let Some(refused) = svid_error(error) {
        return refused.code();
    }
    let tls = causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>());
    if let Some(tls) = tls {
        return match tls {
            rustls::Error::NoCertificatesPresented => SvidError::NoCertificate.code(),
            rustls::Error::AlertReceived(_) => "refused_by_peer",
            rustls::Error::NoApplicationProtocol | rustls::Error::PeerIncompatible(_) => {
                "no_common_protocol"
            }
            _ => "tls",
        };
    }
    let io = causes(error).find_map(|cause| cause.downcast_ref::<io::Error>());
    match io.map(io::Error::kind) {
        Some(io::ErrorKind::TimedOut) => "timeout",
        _ => "closed",
    }
}

/// Carries a refusal through `rustls`; the peer sees `certificate_unknown` for every one.
pub(super) fn refused(error: SvidError) -> rustls::Error {
    CertificateError::Other(OtherError(Arc::new(error))).into()
}

/// An error and all of its causes.
fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| next_cause(*error))
}

/// The cause of one error; some wrappers do not show what they hold as their source.
fn next_cause<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    if let Some(io) = error.downcast_ref::<io::Error>() {
        return io.get_ref().map(|inner| inner as &(dyn Error + 'static));
    }
    if let Some(rustls::Error::InvalidCertificate(CertificateError::Other(other))) =
        error.downcast_ref()
    {
        return Some(other.0.as_ref());
    }
    error.source()
}
