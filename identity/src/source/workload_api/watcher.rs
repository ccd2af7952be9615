//! One stream of a Workload API, opened again for ever.

use std::sync::Arc;
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use rustls_pki_types::UnixTime;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tonic::{Status, Streaming};

use super::backoff::Backoff;
use super::connect::{Client, connect, refused};
use super::error::{ApiError, WhyApi};
use super::{ApiSource, Settings};
use crate::source::count;
use crate::workload_api::Endpoint;

/// The first message comes at once, says the specification.
const FIRST_MESSAGE_DEADLINE: Duration = Duration::from_secs(10);
/// A stream that says nothing for so long is opened again: a server may be stuck, or gone without a word.
const LONGEST_SILENCE: Duration = Duration::from_secs(300);
/// An SVID that is not renewed in time is asked for no more often than that.
const SHORTEST_SILENCE: Duration = Duration::from_secs(10);
/// Messages are looked at no faster than that, however many come.
const BETWEEN_MESSAGES: Duration = Duration::from_millis(50);
/// Of so many in that time the newest counts; flow control holds the rest back.
const MAX_TOGETHER: u32 = 64;
/// A stream that stood for so long was good: the next one is opened at once.
const GOOD_STREAM: Duration = Duration::from_secs(10);

/// What is streamed, and what its messages say.
pub(super) trait Feed: Send + Sync + 'static {
    /// What is streamed.
    type Message: Send;
    /// What becomes of it.
    type Value: Send + Sync + 'static;

    /// Opens the stream.
    fn open(
        &self,
        client: &mut Client,
    ) -> impl Future<Output = Result<Streaming<Self::Message>, Status>> + Send;

    /// Reads a message, given what is in force. A bad one changes nothing.
    fn read(
        &mut self,
        message: Self::Message,
        in_force: Option<&Self::Value>,
    ) -> Result<Reading<Self::Value>, WhyApi>;

    /// What stands in the place of a value that was taken back; `None` when it was so before.
    fn withdrawn(&self, in_force: &Self::Value) -> Option<Self::Value>;

    /// When a newer value should have come.
    fn stale_at(&self, in_force: &Self::Value) -> Option<UnixTime>;

    /// What time it is.
    fn now(&self) -> Option<UnixTime>;

    /// Writes a log line on a value that is now in force.
    fn log(&self, value: &Self::Value);
}

/// What a good message says.
pub(super) struct Reading<V> {
    /// What to do.
    pub(super) read: Read<V>,
    /// What is to be told of it all the same.
    pub(super) remark: Option<WhyApi>,
}

/// What to do after a good message.
pub(super) enum Read<V> {
    /// Take this over.
    New(V),
    /// Nothing.
    AsBefore,
    /// Give up what is in force.
    TakenBack,
}

/// A feed with the source that it keeps fresh.
pub(super) struct Watch<F: Feed> {
    feed: F,
    endpoint: Endpoint,
    backoff: Backoff,
    source: ApiSource<F::Value>,
    stream: Option<Open<F::Message>>,
}

/// A stream; the client is held because the connection may end with it.
struct Open<M> {
    messages: Streaming<M>,
    _client: Client,
}

impl<F: Feed> Watch<F> {
    /// Waits for the first good message.
    pub(super) async fn open(
        settings: Settings,
        mut feed: F,
    ) -> Result<(Self, ApiSource<F::Value>), ApiError> {
        let Settings {
            endpoint, patience, ..
        } = settings;
        let error = |why| ApiError {
            endpoint: endpoint.clone(),
            why: Box::new(why),
        };
        let mut last = None;
        let opening = first(&mut feed, &endpoint, &mut last);
        let (value, remark, stream) = match timeout(patience, opening).await {
            Ok(Ok(first)) => first,
            Ok(Err(why)) => return Err(error(why)),
            Err(_) => {
                let silent = WhyApi::Silent(patience.as_secs());
                return Err(error(last.unwrap_or(silent)));
            }
        };
        feed.log(&value);
        let source = ApiSource::new(value);
        let watch = Self {
            feed,
            endpoint,
            backoff: Backoff::default(),
            source: source.clone(),
            stream: Some(stream),
        };
        watch.report(remark);
        Ok((watch, source))
    }

    /// Reads for ever, or until the API says that asking again is no use.
    pub(super) async fn run(mut self) {
        loop {
            let began = Instant::now();
            let why = match self.stream.take() {
                Some(stream) => self.follow(stream, self.patience(), false).await,
                None => match start(&self.feed, &self.endpoint).await {
                    Ok(stream) => self.follow(stream, FIRST_MESSAGE_DEADLINE, true).await,
                    Err(why) => Some(why),
                },
            };
            if began.elapsed() >= GOOD_STREAM {
                self.backoff.reset();
            }
            let Some(why) = why else { continue };
            if matches!(why, WhyApi::NoIdentity) {
                self.give_up();
            }
            let is_final = why.is_final();
            self.report(Some(why));
            if is_final {
                return;
            }
            sleep(self.backoff.next(jitter())).await;
        }
    }

    /// Reads a stream to its end and says why it ended; `None` to open the next one.
    async fn follow(
        &mut self,
        mut stream: Open<F::Message>,
        mut patience: Duration,
        mut is_fresh: bool,
    ) -> Option<WhyApi> {
        loop {
            let (message, end) = match stream.hear(patience).await {
                Ok(heard) => heard,
                Err(End::Silent) if is_fresh => return Some(WhyApi::Silent(patience.as_secs())),
                Err(End::Silent) => return None,
                Err(End::Why(why)) => return Some(why),
            };
            is_fresh = false;
            self.take(message);
            if end.is_some() {
                return end;
            }
            patience = self.patience();
        }
    }

    fn take(&mut self, message: F::Message) {
        let in_force = self.source.current();
        let reading = self.feed.read(message, Some(in_force.as_ref()));
        let Reading { read, remark } = match reading {
            Ok(reading) => reading,
            Err(why) => return self.report(Some(why)),
        };
        match read {
            Read::New(value) => {
                self.feed.log(&value);
                self.source.publish(value);
            }
            Read::AsBefore => {}
            Read::TakenBack => self.give_up(),
        }
        self.report(remark);
    }

    /// How long a stream may say nothing.
    fn patience(&self) -> Duration {
        let stale_at = self.feed.stale_at(&self.source.current());
        let (Some(stale_at), Some(now)) = (stale_at, self.feed.now()) else {
            return LONGEST_SILENCE;
        };
        let left = Duration::from_secs(stale_at.as_secs().saturating_sub(now.as_secs()));
        left.clamp(SHORTEST_SILENCE, LONGEST_SILENCE)
    }

    fn give_up(&self) {
        if let Some(withdrawn) = self.feed.withdrawn(&self.source.current()) {
            tracing::warn!(
                workload_api = %self.endpoint,
                "the Workload API has taken back what it gave; it is not used any more"
            );
            self.source.publish(withdrawn);
        }
    }

    /// Tells what is wrong, once; `None` when all is well.
    fn report(&self, why: Option<WhyApi>) {
        let problem = why.map(|why| ApiError {
            endpoint: self.endpoint.clone(),
            why: Box::new(why),
        });
        if let Some(problem) = &problem {
            count("workload_api", problem);
            if self.source.problem().as_deref() != Some(problem) {
                tracing::warn!(error = %problem, "the Workload API has a problem");
            }
        }
        self.source.report(problem.map(Arc::new));
    }
}

/// Why nothing was heard.
enum End {
    /// Nobody said anything.
    Silent,
    /// The stream has ended.
    Why(WhyApi),
}

impl<M> Open<M> {
    /// Waits for a message, and answers the newest of those that come with it: each is the whole
    /// state. Also why the stream has ended after it, if it has.
    async fn hear(&mut self, patience: Duration) -> Result<(M, Option<WhyApi>), End> {
        let mut newest = match timeout(patience, self.messages.message()).await {
            Ok(heard) => heard_or_ended(heard).map_err(End::Why)?,
            Err(_) => return Err(End::Silent),
        };
        let until = Instant::now() + BETWEEN_MESSAGES;
        for _ in 0..MAX_TOGETHER {
            match timeout_at(until, self.messages.message()).await {
                Err(_) => return Ok((newest, None)),
                Ok(heard) => match heard_or_ended(heard) {
                    Ok(message) => newest = message,
                    Err(why) => return Ok((newest, Some(why))),
                },
            }
        }
        sleep_until(until).await;
        Ok((newest, None))
    }
}

fn heard_or_ended<M>(heard: Result<Option<M>, Status>) -> Result<M, WhyApi> {
    match heard {
        Ok(Some(message)) => Ok(message),
        Ok(None) => Err(WhyApi::Ended),
        Err(status) => Err(refused(&status)),
    }
}

/// Tries until there is a good message; `last` is what was wrong so far.
async fn first<F: Feed>(
    feed: &mut F,
    endpoint: &Endpoint,
    last: &mut Option<WhyApi>,
) -> Result<(F::Value, Option<WhyApi>, Open<F::Message>), WhyApi> {
    let mut backoff = Backoff::default();
    loop {
        let why = match first_of_stream(feed, endpoint).await {
            Ok(first) => return Ok(first),
            Err(why) if why.is_final() => return Err(why),
            Err(why) => why,
        };
        if last.as_ref() != Some(&why) {
            tracing::warn!(workload_api = %endpoint, error = %why, "waiting for the Workload API");
        }
        *last = Some(why);
        sleep(backoff.next(jitter())).await;
    }
}

async fn first_of_stream<F: Feed>(
    feed: &mut F,
    endpoint: &Endpoint,
) -> Result<(F::Value, Option<WhyApi>, Open<F::Message>), WhyApi> {
    let mut stream = start(feed, endpoint).await?;
    let (message, _) = stream
        .hear(FIRST_MESSAGE_DEADLINE)
        .await
        .map_err(|end| match end {
            End::Silent => WhyApi::Silent(FIRST_MESSAGE_DEADLINE.as_secs()),
            End::Why(why) => why,
        })?;
    let reading = feed.read(message, None)?;
    match reading.read {
        Read::New(value) => Ok((value, reading.remark, stream)),
        // Nothing is in force that could be as before, or taken back.
        Read::AsBefore | Read::TakenBack => Err(WhyApi::Empty),
    }
}

async fn start<F: Feed>(feed: &F, endpoint: &Endpoint) -> Result<Open<F::Message>, WhyApi> {
    let mut client = connect(endpoint).await?;
    // Some servers send their headers only with the first message.
    let opened = timeout(FIRST_MESSAGE_DEADLINE, feed.open(&mut client)).await;
    let opened = opened.map_err(|_| WhyApi::Silent(FIRST_MESSAGE_DEADLINE.as_secs()))?;
    let messages = opened.map_err(|status| refused(&status))?;
    Ok(Open {
        messages,
        _client: client,
    })
}

/// Nothing depends on it but that not all clients come back at once.
#[allow(
    clippy::disallowed_methods,
    reason = "this is where the jitter of reconnecting comes in"
)]
fn jitter() -> u8 {
    let mut byte = [0];
    match SystemRandom::new().fill(&mut byte) {
        Ok(()) => byte.into_iter().next().unwrap_or_default(),
        Err(_) => 0,
    }
}
