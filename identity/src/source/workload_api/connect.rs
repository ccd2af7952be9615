//! A connection to a Workload API, and what its failures mean.

use std::error::Error;
use std::io;
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use super::error::WhyApi;
use crate::workload_api::spiffe_workload_api_client::SpiffeWorkloadApiClient;
use crate::workload_api::{Endpoint, SECURITY_HEADER, SECURITY_VALUE};

/// A client of the Workload API.
pub(super) type Client = SpiffeWorkloadApiClient<Channel>;

/// A connection must stand by then.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// A message with the bundles of some thousand trust domains is smaller.
const MAX_MESSAGE_BYTES: usize = 4 << 20;
/// No more than this is sent ahead of being read.
const WINDOW: u32 = 64 << 10;
/// What a server says of itself is cut to this many characters.
const MAX_TOLD: usize = 200;

/// Connects. Without pings: SPIRE's agent, as every server with the defaults of gRPC for Go, cuts off who
/// pings more often than every five minutes. A stream that is silent too long is opened again instead.
pub(super) async fn connect(endpoint: &Endpoint) -> Result<Client, WhyApi> {
    let transport = tonic::transport::Endpoint::from_static("http://localhost")
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW);
    let connecting = async {
        match endpoint.clone() {
            Endpoint::Unix(path) => {
                let connector = tower::service_fn(move |_: Uri| {
                    let path = path.clone();
                    async move { UnixStream::connect(path).await.map(TokioIo::new) }
                });
                transport.connect_with_connector(connector).await
            }
            Endpoint::Tcp(address) => {
                let connector = tower::service_fn(move |_: Uri| async move {
                    TcpStream::connect(address).await.map(TokioIo::new)
                });
                transport.connect_with_connector(connector).await
            }
        }
    };
    let channel = timeout(CONNECT_DEADLINE, connecting)
        .await
        .map_err(|_| WhyApi::Silent(CONNECT_DEADLINE.as_secs()))?
        .map_err(|error| not_connected(&error))?;
    Ok(Client::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES))
}

/// A request with the mandatory header.
pub(super) fn request<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request
        .metadata_mut()
        .insert(SECURITY_HEADER, MetadataValue::from_static(SECURITY_VALUE));
    request
}

/// What a status means.
pub(super) fn refused(status: &Status) -> WhyApi {
    if let Some(io) = io_error(status) {
        return of_io(io);
    }
    match status.code() {
        Code::PermissionDenied => WhyApi::NoIdentity,
        Code::InvalidArgument => WhyApi::Invalid(printable(status.message())),
        Code::Unimplemented => WhyApi::Unimplemented,
        Code::OutOfRange => WhyApi::TooLarge,
        code => WhyApi::Status {
            code: name(code),
            message: printable(status.message()),
        },
    }
}

fn not_connected(error: &(dyn Error + 'static)) -> WhyApi {
    io_error(error).map_or(WhyApi::NotConnected(io::ErrorKind::Other), of_io)
}

fn of_io(error: &io::Error) -> WhyApi {
    match error.kind() {
        io::ErrorKind::NotFound => WhyApi::NoSocket,
        io::ErrorKind::PermissionDenied => WhyApi::Denied,
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => WhyApi::Ended,
        kind => WhyApi::NotConnected(kind),
    }
}

fn io_error<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e io::Error> {
    std::iter::successors(Some(error), |error| (*error).source())
        .find_map(|error| error.downcast_ref())
}

/// A server's own words go into logs and terminals: without control characters, and not for ever.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(MAX_TOLD)
        .collect()
}

fn name(code: Code) -> &'static str {
    match code {
        Code::Cancelled => "Cancelled",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Internal => "Internal",
        Code::Unavailable => "Unavailable",
        Code::Unauthenticated => "Unauthenticated",
        _ => "Unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_means_what_the_specification_says() {
        let table = [
            (Status::invalid_argument("header"), "invalid_argument", true),
            (Status::unimplemented(""), "unimplemented", true),
            (Status::permission_denied(""), "no_identity", false),
            (Status::unavailable("starting"), "status", false),
            (Status::unknown(""), "status", false),
            (Status::out_of_range("too large"), "too_large", false),
            (
                Status::from_error(Box::new(io::Error::from(io::ErrorKind::NotFound))),
                "no_socket",
                false,
            ),
        ];
        for (status, code, is_final) in table {
            let why = refused(&status);
            assert_eq!((why.code(), why.is_final()), (code, is_final), "{status}");
        }
    }

    #[test]
    fn a_servers_words_cannot_write_to_a_terminal() {
        let told = printable(&format!("\u{1b}[2Jgone\n{}", "x".repeat(1000)));
        assert!(told.starts_with("[2Jgonex"), "{told}");
        assert_eq!(told.chars().count(), MAX_TOLD);
    }
}
