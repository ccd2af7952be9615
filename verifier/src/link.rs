//! Connections to the broker: mutual TLS with the server's own SVID, a fresh one for each use.

use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use taskpass_identity::SpiffeId;
use taskpass_identity::tls::{Alpn, TlsIdentity};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};

/// A connection must stand by then.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// A connection on which nothing comes back is given up after this and as much again.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Parts of a snapshot are far smaller.
pub(crate) const MAX_MESSAGE_BYTES: usize = 1024 * 1024;

/// Where the broker is, and as whom it is met.
pub(crate) struct Link {
    address: Arc<str>,
    tls: TlsConnector,
}

/// Why something that the broker was asked for did not come.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    /// No connection.
    #[error("no connection: {0}")]
    Connect(String),
    /// It refused or broke off.
    #[error("{}", .0.message())]
    Call(#[from] Box<tonic::Status>),
    /// What it said is no use.
    #[error("{0}")]
    Said(String),
}

impl Link {
    pub(crate) fn new(
        address: &str,
        broker: SpiffeId,
        identity: &TlsIdentity,
    ) -> Result<Self, rustls::Error> {
        let config = identity.client_config(broker, Alpn::H2)?;
        Ok(Self {
            address: address.into(),
            tls: TlsConnector::from(Arc::new(config)),
        })
    }

    /// Opens a connection.
    pub(crate) async fn connect(&self) -> Result<Channel, LinkError> {
        let (address, tls) = (Arc::clone(&self.address), self.tls.clone());
        let connector = tower::service_fn(move |_: Uri| {
            let (address, tls) = (Arc::clone(&address), tls.clone());
            async move {
                let stream = TcpStream::connect(&*address).await?;
                stream.set_nodelay(true)?;
                let name = ServerName::from(stream.peer_addr()?.ip());
                tls.connect(name, stream).await.map(TokioIo::new)
            }
        });
        let endpoint = Endpoint::from_static("http://broker")
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .keep_alive_while_idle(true);
        let connecting = endpoint.connect_with_connector(connector);
        match tokio::time::timeout(CONNECT_DEADLINE, connecting).await {
            Ok(connected) => connected.map_err(|error| LinkError::Connect(innermost(&error))),
            Err(_) => Err(LinkError::Connect("it took too long".into())),
        }
    }
}

impl From<tonic::Status> for LinkError {
    fn from(status: tonic::Status) -> Self {
        Self::Call(Box::new(status))
    }
}

/// The words of the innermost cause: those around it say less.
pub(crate) fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.last().map_or_else(String::new, ToString::to_string)
}
