//! A broker that says yes until it is told otherwise, and remembers what it was asked and when.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use taskpass_proto::time::to_wire;
use taskpass_proto::v1;
use tokio::time::Instant;

use crate::broker::{Broker, CallError};

/// What a token lives.
pub(super) const TTL: Duration = Duration::from_secs(300);

#[derive(Default)]
pub(super) struct FakeBroker(Mutex<State>);

#[derive(Default)]
struct State {
    calls: Vec<(Instant, Call)>,
    opens: Script,
    issues: Script,
    renews: Script,
    closes: Script,
    job_ends_in: Option<Duration>,
}

#[derive(Debug, Clone)]
pub(super) enum Call {
    Open(v1::OpenJobRequest),
    Issue,
    Renew(v1::RenewRequest),
    Close(v1::CloseJobRequest),
}

/// What comes next, and what always comes after that.
#[derive(Default)]
struct Script {
    next: VecDeque<Say>,
    always: Say,
}

#[derive(Debug, Clone, Default)]
pub(super) enum Say {
    /// It is done.
    #[default]
    Yes,
    /// An end is in effect, and not durable yet.
    Pending,
    No(CallError),
    /// Nothing at all.
    Nothing,
}

/// Which calls are meant.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Open,
    Issue,
    Renew,
    Close,
}

impl FakeBroker {
    /// The next calls of a kind are answered so, one after the other.
    pub(super) fn next(&self, kind: Kind, says: impl IntoIterator<Item = Say>) {
        self.with(|state| state.script(kind).next.extend(says));
    }

    /// All further calls of a kind are answered so.
    pub(super) fn always(&self, kind: Kind, say: Say) {
        self.with(|state| state.script(kind).always = say);
    }

    /// Jobs that are opened from now on end after this long.
    pub(super) fn job_ends_in(&self, time: Duration) {
        self.with(|state| state.job_ends_in = Some(time));
    }

    pub(super) fn opens(&self) -> Vec<(Instant, v1::OpenJobRequest)> {
        self.calls(|call| match call {
            Call::Open(request) => Some(request),
            _ => None,
        })
    }

    pub(super) fn renews(&self) -> Vec<(Instant, v1::RenewRequest)> {
        self.calls(|call| match call {
            Call::Renew(request) => Some(request),
            _ => None,
        })
    }

    pub(super) fn closes(&self) -> Vec<(Instant, v1::CloseJobRequest)> {
        self.calls(|call| match call {
            Call::Close(request) => Some(request),
            _ => None,
        })
    }

    fn calls<T>(&self, of_kind: impl Fn(Call) -> Option<T>) -> Vec<(Instant, T)> {
        let calls = self.with(|state| state.calls.clone());
        let found = calls.into_iter();
        found
            .filter_map(|(at, call)| Some((at, of_kind(call)?)))
            .collect()
    }

    /// Notes a call; answers whether it is done.
    async fn answer(&self, kind: Kind, call: Call) -> Result<v1::EndProgress, CallError> {
        let say = self.with(|state| {
            state.calls.push((Instant::now(), call));
            let script = state.script(kind);
            script.next.pop_front().unwrap_or(script.always.clone())
        });
        match say {
            Say::Yes => Ok(v1::EndProgress::Confirmed),
            Say::Pending => Ok(v1::EndProgress::Pending),
            Say::No(error) => Err(error),
            Say::Nothing => pending().await,
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap())
    }
}

impl State {
    fn script(&mut self, kind: Kind) -> &mut Script {
        match kind {
            Kind::Open => &mut self.opens,
            Kind::Issue => &mut self.issues,
            Kind::Renew => &mut self.renews,
            Kind::Close => &mut self.closes,
        }
    }
}

#[async_trait]
impl Broker for FakeBroker {
    async fn open_job(
        &self,
        _: usize,
        request: v1::OpenJobRequest,
    ) -> Result<v1::OpenJobResponse, CallError> {
        self.answer(Kind::Open, Call::Open(request.clone())).await?;
        let lease = format!("lease_{}_1", request.job_id);
        Ok(v1::OpenJobResponse {
            lifetime: self.with(|state| state.job_ends_in).map(lifetime),
            credentials: vec![issued(lease, 1)],
            ..v1::OpenJobResponse::default()
        })
    }

    async fn issue(
        &self,
        _: usize,
        request: v1::IssueRequest,
    ) -> Result<v1::IssueResponse, CallError> {
        self.answer(Kind::Issue, Call::Issue).await?;
        let credentials = vec![issued(format!("lease_{}_2", request.job_id), 1)];
        Ok(v1::IssueResponse {
            credentials,
            ..v1::IssueResponse::default()
        })
    }

    async fn renew(
        &self,
        _: usize,
        request: v1::RenewRequest,
    ) -> Result<v1::RenewResponse, CallError> {
        self.answer(Kind::Renew, Call::Renew(request.clone()))
            .await?;
        let credential = issued(request.lease_id, request.generation + 1);
        Ok(v1::RenewResponse {
            credential: Some(credential),
            ..v1::RenewResponse::default()
        })
    }

    async fn close_job(
        &self,
        _: usize,
        request: v1::CloseJobRequest,
    ) -> Result<v1::CloseJobResponse, CallError> {
        let progress = self
            .answer(Kind::Close, Call::Close(request.clone()))
            .await?;
        Ok(v1::CloseJobResponse {
            progress: progress.into(),
            cause: request.cause,
            ..v1::CloseJobResponse::default()
        })
    }
}

fn issued(lease_id: String, generation: u32) -> v1::IssuedCredential {
    v1::IssuedCredential {
        name: "docs-api".to_owned(),
        secret: format!("{lease_id}.{generation}").into(),
        lease_id,
        generation,
        lifetime: Some(lifetime(TTL)),
        ..v1::IssuedCredential::default()
    }
}

fn lifetime(time: Duration) -> v1::Lifetime {
    v1::Lifetime {
        expires_in: Some(to_wire(time)),
        expires_at: None,
    }
}
