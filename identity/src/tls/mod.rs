//! Mutual TLS between workloads that know each other by SPIFFE ID.
//!
//! Sessions are never resumed, so that every connection is judged by today's bundles, and the
//! current SVID is picked at each handshake, so that a rotation needs no restart.

mod client;
mod failure;
mod presenter;
mod server;

use std::fmt;
use std::sync::Arc;

use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, ServerConfig};

use crate::source::{BundleSource, SvidSource};
use crate::spiffe_id::SpiffeId;

pub use failure::{failure_code, svid_error};

/// Who we are and whom we trust, at any time.
#[derive(Clone)]
pub struct TlsIdentity {
    /// Where our current SVID comes from.
    pub svids: Arc<dyn SvidSource>,
    /// Where the current bundles come from.
    pub bundles: Arc<dyn BundleSource>,
    /// What time it is.
    pub time: Arc<dyn TimeProvider>,
}

/// What a client wants to speak over a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alpn {
    /// HTTP/2, as gRPC needs it.
    H2,
    /// HTTP/1.1.
    Http1,
}

impl TlsIdentity {
    /// Takes only clients with a trusted X.509-SVID; offers HTTP/2 and HTTP/1.1.
    ///
    /// Which of them may do what is for the caller to decide, on every request: see
    /// [`PeerSvid`](crate::PeerSvid).
    pub fn server_config(&self) -> Result<ServerConfig, rustls::Error> {
        server::config(self)
    }

    /// Presents our SVID, and accepts exactly one workload as the server.
    ///
    /// The host name plays no part: any `ServerName` will do.
    pub fn client_config(
        &self,
        expected: SpiffeId,
        alpn: Alpn,
    ) -> Result<ClientConfig, rustls::Error> {
        client::config(self, expected, alpn)
    }
}

impl Alpn {
    fn protocol(self) -> Vec<u8> {
        match self {
            Self::H2 => b"h2".to_vec(),
            Self::Http1 => b"http/1.1".to_vec(),
        }
    }
}

impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsIdentity").finish_non_exhaustive()
    }
}
