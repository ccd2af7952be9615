//! The one long stream of a holder. It ends itself at its connection's age, at the SVID's end, and when
//! the broker shuts down, and says so a little earlier.

use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use taskpass_proto::refusal::Refusal;
use taskpass_proto::time::to_wire;
use taskpass_proto::v1::heartbeat_request::{Beat, Message as Up};
use taskpass_proto::v1::heartbeat_response::{Ack, JobEnded, Message as Down, Reconnect, Welcome};
use taskpass_proto::v1::{HeartbeatRequest, HeartbeatResponse};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::refusals::refused;
use super::{requests, words};
use crate::app::connection::{Connection, RECONNECT_WITHIN};
use crate::operations::Operations;
use crate::operations::gate::{CallKind, Gate};
use crate::operations::heartbeat::{Greeted, HolderStream};

/// Answers waiting for a slow holder; beyond, the stream waits, and the holder's silence counts.
const WAITING: usize = 64;

/// What a stream needs.
pub(super) struct HeartbeatStream {
    pub(super) operations: Arc<Operations>,
    pub(super) gate: Arc<Gate>,
    pub(super) connection: Arc<Connection>,
}

type Answers = mpsc::Sender<Result<HeartbeatResponse, Status>>;

impl HeartbeatStream {
    /// Takes the greeting, and goes on in a task of the connection's.
    pub(super) async fn begin(
        self,
        mut requests: Streaming<HeartbeatRequest>,
    ) -> Result<impl Stream<Item = Result<HeartbeatResponse, Status>> + Send + use<>, Status> {
        let first = tokio::time::timeout(RECONNECT_WITHIN, requests.message()).await;
        let first = first.map_err(|_| Status::deadline_exceeded("no `Hello` came in time"))??;
        let Some(Up::Hello(hello)) = first.and_then(|first| first.message) else {
            return Err(refused(requests::invalid("the first message is `Hello`")));
        };
        let hello = requests::hello(hello).map_err(refused)?;
        let caller = self.gate.admit(self.connection.peer(), CallKind::GivesBack);
        let caller = caller.map_err(refused)?;
        if !self.operations.knows_holder(&caller, &hello.holder) {
            let counted = self.gate.admit(self.connection.peer(), CallKind::Asks);
            counted.map_err(refused)?;
        }
        let greeted = self
            .operations
            .greet(&caller, hello)
            .await
            .map_err(refused)?;
        let (answers, receiver) = mpsc::channel(WAITING);
        let connection = Arc::clone(&self.connection);
        let welcome = self.welcome(&greeted);
        connection.spawn(async move {
            if answers.send(Ok(down(Down::Welcome(welcome)))).await.is_ok() {
                self.run(greeted, requests, answers).await;
            }
        });
        Ok(ReceiverStream::new(receiver))
    }

    async fn run(
        self,
        greeted: Greeted,
        mut requests: Streaming<HeartbeatRequest>,
        answers: Answers,
    ) {
        let Greeted {
            stream, mut ended, ..
        } = greeted;
        let ends_at = Instant::from_std(self.connection.ends_at());
        let warn_at = ends_at.checked_sub(RECONNECT_WITHIN).unwrap_or(ends_at);
        let mut warned = false;
        loop {
            let answer = tokio::select! {
                request = requests.next() => match request {
                    Some(Ok(request)) => self.take(&stream, request).await,
                    Some(Err(_)) | None => return,
                },
                Some(ended) = ended.recv() => Ok(Down::JobEnded(JobEnded {
                    job_id: ended.job.to_string(),
                    cause: words::cause(ended.cause).into(),
                })),
                () = sleep_until(warn_at), if !warned => {
                    warned = true;
                    Ok(reconnect())
                }
                () = self.connection.draining(), if !warned => {
                    warned = true;
                    Ok(reconnect())
                }
                () = sleep_until(ends_at) => return,
                () = self.connection.closing() => return,
            };
            let last = answer.is_err();
            let answer = answer.map(down).map_err(refused);
            if answers.send(answer).await.is_err() || last {
                return;
            }
        }
    }

    async fn take(
        &self,
        stream: &HolderStream,
        request: HeartbeatRequest,
    ) -> Result<Down, Refusal> {
        // Every beat is a call of its own: the SVID, its roots and the bans are looked at again.
        self.gate
            .admit(self.connection.peer(), CallKind::GivesBack)?;
        match request.message {
            Some(Up::Beat(Beat { opened, ended: _ })) => {
                let opened = requests::job_ids(&opened)?;
                self.operations.beat(stream, opened).await?;
                Ok(Down::Ack(Ack {}))
            }
            Some(Up::Hello(_)) | None => Err(requests::invalid(
                "`Hello` is the first message and only the first",
            )),
        }
    }

    fn welcome(&self, greeted: &Greeted) -> Welcome {
        let rhythm = self.operations.settings().rhythm;
        let gone = greeted.gone.iter().map(|(job, cause)| JobEnded {
            job_id: job.to_string(),
            cause: words::optional_cause(*cause),
        });
        Welcome {
            interval: Some(to_wire(rhythm.interval)),
            limit: Some(to_wire(rhythm.limit)),
            connection_max_age: Some(to_wire(self.connection.remaining())),
            gone: gone.collect(),
        }
    }
}

fn reconnect() -> Down {
    Down::Reconnect(Reconnect {
        within: Some(to_wire(RECONNECT_WITHIN)),
    })
}

fn down(message: Down) -> HeartbeatResponse {
    HeartbeatResponse {
        message: Some(message),
    }
}
