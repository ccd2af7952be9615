//! The connection to the broker's administration.

use std::error::Error;
use std::io;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use taskpass_proto::refusal::Refusal;
use taskpass_proto::v1::admin_client::AdminClient;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tower::service_fn;

use crate::failure::Failure;
use crate::sockets::{Kind, Socket};

/// Calls of the broker's administration.
type Client = AdminClient<Channel>;

const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
const CALL_DEADLINE: Duration = Duration::from_secs(15);
/// What tonic says when that is over.
const TIMEOUT: &str = "Timeout expired";

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
        None => unexplained(what, &status),
    }
}

/// The same, for what is looked up by a name that may be wrong; `lists` is the command that shows what there is.
pub(crate) fn not_found(what: &'static str, lists: &'static str) -> impl Fn(Status) -> Failure {
    move |status| match (status.code(), Refusal::from_status(&status)) {
        (Code::NotFound, None) => Failure::new(what).why(status.message()).remedy(lists),
        _ => failed(what)(status),
    }
}

/// An answer without a reason: the broker says in words what is wrong, or the connection does.
fn unexplained(what: &str, status: &Status) -> Failure {
    let failure = Failure::new(what);
    let look = "look at `taskpass status`, and into the broker's log";
    let message = match status.message() {
        // What tonic calls the code says more than nothing.
        "" => status.code().to_string(),
        message => message.to_owned(),
    };
    let is_of_this_side = status.source().is_some() || message.starts_with("protocol error");
    match status.code() {
        Code::Cancelled | Code::DeadlineExceeded if message == TIMEOUT => failure
            .why(format!("the broker did not answer within {} s", CALL_DEADLINE.as_secs()))
            .remedy(look),
        _ if is_of_this_side => failure
            .why(format!(
                "the connection broke, or what listens at the socket does not answer as {} does ({message})",
                Kind::Admin
            ))
            .remedy("check that --admin-socket names its socket, and look at `taskpass status`"),
        // These name what to try themselves.
        Code::NotFound | Code::FailedPrecondition | Code::InvalidArgument => failure.why(message),
        _ => failure.why(message).remedy(look),
    }
}

fn io_cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    std::iter::successors(Some(error), |error| (*error).source())
        .find_map(|error| error.downcast_ref::<io::Error>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_a_reason_says_what_the_broker_said_and_no_more() {
        let missing = || Status::not_found("there is no such audit record");
        insta::assert_snapshot!(failed("cannot show it")(missing()), @r"
        cannot show it
          why: there is no such audit record
        ");
        insta::assert_snapshot!(not_found("cannot show it", "`taskpass audit list` shows the records")(missing()), @r"
        cannot show it
          why: there is no such audit record
          try: `taskpass audit list` shows the records
        ");
        insta::assert_snapshot!(failed("cannot show it")(Status::internal("")), @r"
        cannot show it
          why: Internal error
          try: look at `taskpass status`, and into the broker's log
        ");
    }
}
