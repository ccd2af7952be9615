//! The long stream of a verifier. It ends itself at its connection's age, at the SVID's end, and when the
//! broker shuts down, and says so a little earlier.

use std::sync::Arc;

use futures_util::Stream;
use taskpass_proto::reason::Reason;
use taskpass_proto::refusal::Refusal;
use taskpass_proto::time::{timestamp_from_millis, to_wire};
use taskpass_proto::v1;
use taskpass_proto::v1::watch_revocations_response::{
    Entry, Message, Progress, Reconnect, Reset, Snapshot, entry,
};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::refusals::refused;
use crate::app::connection::{Connection, RECONNECT_WITHIN};
use crate::app::places::Places;
use crate::domain::revocation::{NumberedRevocation, Revoked};
use crate::operations::Operations;
use crate::operations::gate::{CallKind, Gate};
use crate::operations::watch_revocations::{
    Batch, PROGRESS_EVERY, Position, RevocationWatch, Told,
};

/// Messages waiting for a slow verifier; beyond, the stream waits and reads no further.
const WAITING: usize = 4;

/// Streams that are open at once. As with connections, one verifier gets a quarter of them.
pub(super) const MAX_STREAMS: usize = 4_000;

/// What a stream needs.
pub(super) struct RevocationStream {
    pub(super) places: Arc<Places>,
    pub(super) operations: Arc<Operations>,
    pub(super) gate: Arc<Gate>,
    pub(super) connection: Arc<Connection>,
}

type Answer = Result<v1::WatchRevocationsResponse, Status>;

impl RevocationStream {
    /// Finds the position, and goes on in a task of the connection's.
    pub(super) fn begin(
        self,
        request: v1::WatchRevocationsRequest,
    ) -> Result<impl Stream<Item = Answer> + Send + use<>, Status> {
        let caller = self.gate.admit(self.connection.peer(), CallKind::Asks);
        let caller = caller.map_err(refused)?;
        let from = Position {
            after: request.after,
            epoch: request.epoch,
        };
        let watch = self.operations.watch_revocations(&caller, &from);
        let watch = watch.map_err(refused)?;
        let place = Places::take(&self.places, &caller.subject).ok_or_else(|| {
            refused(Refusal::new(
                Reason::RateLimited,
                "too many streams of this verifier are open; one for each process is enough",
            ))
        })?;
        let (answers, receiver) = mpsc::channel(WAITING);
        let connection = Arc::clone(&self.connection);
        connection.spawn(async move {
            self.run(watch, answers).await;
            drop(place);
        });
        Ok(ReceiverStream::new(receiver))
    }

    async fn run(self, mut watch: RevocationWatch, answers: mpsc::Sender<Answer>) {
        let ends_at = Instant::from_std(self.connection.ends_at());
        tokio::select! {
            () = self.tell(&mut watch, &answers, ends_at) => {}
            // Also when the verifier does not read what waits for it.
            () = sleep_until(ends_at) => {}
            () = self.connection.closing() => {}
            () = answers.closed() => {}
        }
    }

    async fn tell(
        &self,
        watch: &mut RevocationWatch,
        answers: &mpsc::Sender<Answer>,
        ends_at: Instant,
    ) {
        let warn_at = ends_at.checked_sub(RECONNECT_WITHIN).unwrap_or(ends_at);
        let mut warned = false;
        let mut progress_at = Instant::now() + PROGRESS_EVERY;
        let mut progress = false;
        loop {
            let batch = match self.next(watch, progress) {
                Ok(batch) => batch,
                Err(refusal) => {
                    let _ = answers.send(Err(refused(refusal))).await;
                    return;
                }
            };
            if progress && batch.is_caught_up {
                progress_at = Instant::now() + PROGRESS_EVERY;
                progress = false;
            }
            for told in batch.told {
                if answers.send(Ok(answer(message(told)))).await.is_err() {
                    return;
                }
            }
            if !batch.is_caught_up {
                continue;
            }
            tokio::select! {
                more = watch.changed() => if !more { return },
                () = sleep_until(progress_at) => progress = true,
                () = async {
                    tokio::select! {
                        () = sleep_until(warn_at) => {}
                        () = self.connection.draining() => {}
                    }
                }, if !warned => {
                    warned = true;
                    if answers.send(Ok(answer(reconnect()))).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Every batch is a call of its own: the SVID, its roots, the bans and the policy are looked at again.
    fn next(&self, watch: &mut RevocationWatch, progress: bool) -> Result<Batch, Refusal> {
        let peer = self.connection.peer();
        let caller = self.gate.admit(peer, CallKind::GivesBack)?;
        watch.next(&caller, progress)
    }
}

fn message(told: Told) -> Message {
    match told {
        Told::Snapshot {
            number,
            entries,
            more,
            epoch,
        } => Message::Snapshot(Snapshot {
            number,
            entries: entries.into_iter().map(wire).collect(),
            more,
            epoch,
        }),
        Told::Entry(revocation) => Message::Entry(wire(revocation)),
        Told::Progress(number) => Message::Progress(Progress { number }),
        Told::Reset => Message::Reset(Reset {}),
    }
}

fn wire(numbered: NumberedRevocation) -> Entry {
    let NumberedRevocation { number, revocation } = numbered;
    let revoked = match revocation.revoked {
        Revoked::Job(job) => entry::Revoked::JobId(job.to_string()),
        Revoked::Lease(lease) => entry::Revoked::LeaseId(lease.to_string()),
    };
    Entry {
        number,
        revoked: Some(revoked),
        until: Some(timestamp_from_millis(revocation.until.as_millis())),
    }
}

fn reconnect() -> Message {
    Message::Reconnect(Reconnect {
        within: Some(to_wire(RECONNECT_WITHIN)),
    })
}

fn answer(message: Message) -> v1::WatchRevocationsResponse {
    v1::WatchRevocationsResponse {
        message: Some(message),
    }
}
