//! The connection to the broker's administration.

use std::error::Error;
use std::io;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use taskpass_proto::refusal::Refusal;
use taskpass_proto::v1::admin_client::AdminClient;
use tokio::net::UnixStream;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

use crate::failure::Failure;
use crate::sockets::Socket;

/// Calls of the broker's administration.
type Client = AdminClient<Channel>;

const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
const CALL_DEADLINE: Duration = Duration::from_secs(15);

/// Connects to the socket.
pub(crate) async fn connect(socket: &Socket) -> Result<Client, Failure> {
    let path = socket.path.clone();
    // The name in the URL is never resolved: every connection goes to the socket.
    let channel = Endpoint::from_static("http://admin")
        .connect_timeout(CONNECT_DEADLINE)
        .timeout(CALL_DEADLINE)
        .connect_with_connector(service_fn(move |_| {
            let path = path.clone();
            async move { UnixStream::connect(path).await.map(TokioIo::new) }
        }))
        .await
        .map_err(|error| match io_cause(&error) {
            Some(cause) => socket.unreachable(cause),
            None => socket.unreachable(&io::Error::other(error.to_string())),
        })?;
    Ok(AdminClient::new(channel))
}

/// Makes the failure of a call; `what` says what did not happen.
pub(crate) fn failed(what: &'static str) -> impl Fn(Status) -> Failure {
    move |status| match Refusal::from_status(&status) {
        Some(refusal) => Failure::refused(what, refusal.reason.code(), &refusal.message)
            .correlated(Some(refusal.correlation_id))
            .retry_after(refusal.retry_after),
        None => Failure::new(what)
            .why(format!("{} ({})", status.message(), status.code()))
            .remedy("look into the broker's log, and at `taskpass status`"),
    }
}

fn io_cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    std::iter::successors(Some(error), |error| (*error).source())
        .find_map(|error| error.downcast_ref::<io::Error>())
}
