//! The real broker: one mutual-TLS connection for each identity, opened again as it ages or breaks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use http::Uri;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use taskpass_identity::SpiffeId;
use taskpass_identity::tls::{Alpn, TlsIdentity};
use taskpass_proto::limits::MAX_HEARTBEAT_BYTES;
use taskpass_proto::reason::Reason;
use taskpass_proto::refusal::Refusal;
use taskpass_proto::v1;
use taskpass_proto::v1::broker_client::BrokerClient;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};
use tonic::{ConnectError, Response, Status};

use super::{Broker, CallError};

/// One call may take this long.
const CALL_DEADLINE: Duration = Duration::from_secs(10);
/// A connection must stand by then.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// A call that was cut off with its connection is made again at once, on a fresh one.
const TRIES: u32 = 3;

/// Calls a broker over the network.
pub struct GrpcBroker {
    links: Vec<Link>,
}

/// The connection of one identity.
struct Link {
    endpoint: Endpoint,
    connector: Connector,
    channel: Mutex<Channel>,
}

#[derive(Clone)]
struct Connector {
    address: Arc<str>,
    tls: TlsConnector,
}

/// A connection cannot even be tried.
#[derive(Debug, thiserror::Error)]
#[error("the SVID cannot be used for TLS: {0}")]
pub struct CannotConnect(#[from] rustls::Error);

impl GrpcBroker {
    /// Calls `address` with each of the identities; only `broker` is taken for the broker.
    pub fn new(
        address: &str,
        broker: &SpiffeId,
        identities: &[TlsIdentity],
    ) -> Result<Self, CannotConnect> {
        let links = identities
            .iter()
            .map(|identity| Link::new(address, broker, identity));
        Ok(Self {
            links: links.collect::<Result<_, _>>()?,
        })
    }

    /// The connection of an identity, as it stands.
    pub(super) fn client(&self, identity: usize) -> Result<BrokerClient<Channel>, CallError> {
        Ok(client(self.link(identity)?.current()))
    }

    /// Opens the next connection of an identity and puts it in the place of the one that ages.
    pub(super) async fn reconnect(
        &self,
        identity: usize,
    ) -> Result<BrokerClient<Channel>, CallError> {
        let link = self.link(identity)?;
        let connecting = link.endpoint.connect_with_connector(link.service());
        let next = timeout(CONNECT_DEADLINE, connecting).await;
        let next = next.map_err(|_| CallError::NotConnected("no connection in time".into()))?;
        let next = next.map_err(|error| CallError::NotConnected(causes(&error)))?;
        *link.channel.lock().unwrap_or_else(PoisonError::into_inner) = next.clone();
        Ok(client(next))
    }

    fn link(&self, identity: usize) -> Result<&Link, CallError> {
        let link = self.links.get(identity);
        link.ok_or_else(|| CallError::NotConnected("there is no such identity".into()))
    }

    /// Makes a call that may be repeated without harm.
    async fn call<T, F>(
        &self,
        identity: usize,
        make: impl Fn(BrokerClient<Channel>) -> F,
    ) -> Result<T, CallError>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let mut perhaps_done = false;
        for _ in 1..TRIES {
            let error = match self.call_once(make(self.client(identity)?)).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            match &error {
                // The connection was made with an SVID that is worth nothing any more.
                CallError::Refused(refusal) if refusal.reason == Reason::SvidRefused => {
                    self.reconnect(identity).await?;
                }
                // Cut off with its connection: the next try makes another one.
                CallError::Unanswered(_) => perhaps_done = true,
                CallError::Refused(_) | CallError::NotConnected(_) => return Err(error),
            }
        }
        let last = self.call_once(make(self.client(identity)?)).await;
        last.map_err(|error| match error {
            CallError::NotConnected(why) if perhaps_done => CallError::Unanswered(why),
            error => error,
        })
    }

    /// Makes one try.
    async fn call_once<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, CallError> {
        match timeout(CALL_DEADLINE, call).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(call_error(&status)),
            Err(_) => Err(CallError::Unanswered("no answer in time".into())),
        }
    }
}

#[async_trait]
impl Broker for GrpcBroker {
    async fn open_job(
        &self,
        identity: usize,
        request: v1::OpenJobRequest,
    ) -> Result<v1::OpenJobResponse, CallError> {
        let make = |mut client: BrokerClient<Channel>| {
            let request = request.clone();
            async move { client.open_job(request).await }
        };
        self.call(identity, make).await
    }

    async fn issue(
        &self,
        identity: usize,
        request: v1::IssueRequest,
    ) -> Result<v1::IssueResponse, CallError> {
        // Not repeated: each call makes leases of its own.
        let mut client = self.client(identity)?;
        self.call_once(client.issue(request)).await
    }

    async fn renew(
        &self,
        identity: usize,
        request: v1::RenewRequest,
    ) -> Result<v1::RenewResponse, CallError> {
        // A repeated renewal whose first answer was lost is refused, and says the current generation.
        let make = |mut client: BrokerClient<Channel>| {
            let request = request.clone();
            async move { client.renew(request).await }
        };
        self.call(identity, make).await
    }

    async fn close_job(
        &self,
        identity: usize,
        request: v1::CloseJobRequest,
    ) -> Result<v1::CloseJobResponse, CallError> {
        let make = |mut client: BrokerClient<Channel>| {
            let request = request.clone();
            async move { client.close_job(request).await }
        };
        self.call(identity, make).await
    }
}

impl Link {
    fn new(
        address: &str,
        broker: &SpiffeId,
        identity: &TlsIdentity,
    ) -> Result<Self, CannotConnect> {
        let tls = TlsConnector::from(Arc::new(identity.client_config(broker.clone(), Alpn::H2)?));
        let connector = Connector {
            address: address.into(),
            tls,
        };
        let endpoint = Endpoint::from_static("http://broker")
            .http2_keep_alive_interval(Duration::from_secs(10))
            .keep_alive_timeout(Duration::from_secs(5))
            .keep_alive_while_idle(true);
        let service = connector.clone();
        let channel = endpoint.connect_with_connector_lazy(tower::service_fn(move |_: Uri| {
            service.clone().connect()
        }));
        Ok(Self {
            endpoint,
            connector,
            channel: Mutex::new(channel),
        })
    }

    fn current(&self) -> Channel {
        self.channel
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn service(
        &self,
    ) -> impl tower::Service<
        Uri,
        Response = TokioIo<tokio_rustls::client::TlsStream<TcpStream>>,
        Error = std::io::Error,
        Future: Send,
    > + Send
    + use<> {
        let connector = self.connector.clone();
        tower::service_fn(move |_: Uri| connector.clone().connect())
    }
}

impl Connector {
    async fn connect(self) -> std::io::Result<TokioIo<tokio_rustls::client::TlsStream<TcpStream>>> {
        let connecting = async {
            let stream = TcpStream::connect(&*self.address).await?;
            stream.set_nodelay(true)?;
            let name = ServerName::from(stream.peer_addr()?.ip());
            self.tls.connect(name, stream).await
        };
        match timeout(CONNECT_DEADLINE, connecting).await {
            Ok(connected) => connected.map(TokioIo::new),
            Err(_) => Err(std::io::ErrorKind::TimedOut.into()),
        }
    }
}

fn client(channel: Channel) -> BrokerClient<Channel> {
    BrokerClient::new(channel).max_encoding_message_size(MAX_HEARTBEAT_BYTES)
}

/// What a status means: a refusal of the broker's, or what became of the connection.
pub(super) fn call_error(status: &Status) -> CallError {
    if let Some(refusal) = Refusal::from_status(status) {
        return refusal.into();
    }
    let mut causes_of = sources(status);
    if causes_of.any(|cause| cause.downcast_ref::<ConnectError>().is_some()) {
        CallError::NotConnected(causes(status))
    } else {
        CallError::Unanswered(causes(status))
    }
}

/// An error and all of its causes.
fn sources<'e>(
    error: &'e (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'e (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

/// Why a call got no answer, in the words of the innermost cause: those around it say less.
pub(super) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let innermost = sources(error).last();
    match innermost.map(|cause| (cause, cause.downcast_ref::<Status>())) {
        Some((_, Some(status))) => status.message().to_owned(),
        Some((cause, None)) => cause.to_string(),
        None => error.to_string(),
    }
}
