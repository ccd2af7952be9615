//! Keeps a verifier current: hears of every end, and fetches the keys, for ever.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use taskpass_proto::v1::broker_client::BrokerClient;
use taskpass_proto::v1::{WatchRevocationsRequest, WatchRevocationsResponse};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use crate::keys_fetch;
use crate::link::{Link, LinkError, MAX_MESSAGE_BYTES};
use crate::random::Random;
use crate::shared::Shared;
use crate::update::Update;

/// The first and the longest wait before the next try.
const WAITS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// The answer to a request for the stream must begin by then.
const CALL_DEADLINE: Duration = Duration::from_secs(10);

/// Runs beside a [`Verifier`](crate::Verifier), which knows nothing without it.
pub struct Keeper {
    link: Link,
    shared: Arc<Shared>,
    max_silence: Duration,
    random: Random,
}

type Stream = Streaming<WatchRevocationsResponse>;

/// How a stream ended.
enum End {
    /// It ends soon: open the next one first.
    Ageing(Box<Stream>),
    /// It broke; `heard` whether anything had come.
    Broken { heard: bool, why: String },
}

impl Keeper {
    pub(crate) fn new(link: Link, shared: Arc<Shared>, max_silence: Duration) -> Self {
        Self {
            link,
            shared,
            max_silence,
            random: Random::default(),
        }
    }

    /// Runs until `shutdown`. Reconnects for ever, first at once, then less often, and never all servers at the
    /// same moment.
    pub async fn run(self, shutdown: CancellationToken) {
        tokio::select! {
            () = self.follow() => {}
            () = keys_fetch::keep(&self.link, &self.shared, &self.random) => {}
            () = shutdown.cancelled() => {}
        }
    }

    async fn follow(&self) {
        let mut old = None;
        let mut failures: u32 = 0;
        loop {
            let why = match self.open_beside(&mut old, self.wait(failures)).await {
                Ok(stream) => {
                    // Only now: there is never a moment without a stream.
                    old = None;
                    match self.read(stream).await {
                        End::Ageing(stream) => {
                            failures = 0;
                            old = Some(stream);
                            continue;
                        }
                        End::Broken { heard, why } => {
                            failures = if heard { 0 } else { failures };
                            why
                        }
                    }
                }
                Err(error) => error.to_string(),
            };
            failures = failures.saturating_add(1);
            tracing::warn!(error.message = why, "no revocations are heard");
        }
    }

    /// Opens the next stream, and goes on reading the old one meanwhile.
    async fn open_beside(
        &self,
        old: &mut Option<Box<Stream>>,
        wait: Duration,
    ) -> Result<Stream, LinkError> {
        let mut opening = pin!(async {
            sleep(wait).await;
            self.open().await
        });
        loop {
            let Some(stream) = old else {
                return opening.await;
            };
            let message = tokio::select! {
                opened = &mut opening => return opened,
                message = stream.message() => message,
            };
            if self.take(message).is_err() {
                *old = None;
            }
        }
    }

    async fn open(&self) -> Result<Stream, LinkError> {
        let channel = self.link.connect().await?;
        let mut client = BrokerClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let position = self.shared.set.read().position().cloned();
        let request = position.map_or_else(WatchRevocationsRequest::default, |position| {
            WatchRevocationsRequest {
                after: position.after,
                epoch: position.epoch,
            }
        });
        match timeout(CALL_DEADLINE, client.watch_revocations(request)).await {
            Ok(answer) => Ok(answer?.into_inner()),
            Err(_) => Err(LinkError::Said("the broker did not answer in time".into())),
        }
    }

    async fn read(&self, mut stream: Stream) -> End {
        let mut heard = false;
        loop {
            // Longer than anybody would believe it: another connection may fare better.
            let message = timeout(self.max_silence, stream.message()).await;
            let silent = || Err(Status::deadline_exceeded("nothing was heard for too long"));
            match self.take(message.unwrap_or_else(|_| silent())) {
                Ok(Update::Reconnect) => return End::Ageing(Box::new(stream)),
                Ok(_) => heard = true,
                Err(why) => return End::Broken { heard, why },
            }
        }
    }

    fn take(
        &self,
        message: Result<Option<WatchRevocationsResponse>, Status>,
    ) -> Result<Update, String> {
        let message = match message {
            Ok(Some(message)) => message,
            Ok(None) => return Err("the broker ended the stream".into()),
            Err(status) => return Err(status.message().to_owned()),
        };
        let update = Update::try_from(message).map_err(|error| error.to_string())?;
        self.shared.hear(&update);
        Ok(update)
    }

    fn wait(&self, failures: u32) -> Duration {
        let (first, longest) = WAITS;
        let Some(doublings) = failures.checked_sub(1) else {
            return Duration::ZERO;
        };
        let full = first.saturating_mul(1 << doublings.min(10)).min(longest);
        full.mul_f64(0.5 + 0.5 * self.random.fraction())
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}
