//! Heartbeats: announced jobs live, silence ends them, a restart of the broker costs nobody its job.

use std::time::Duration;

use taskpass_proto::v1;
use taskpass_proto::v1::heartbeat_request::{Beat, Hello, Message as Up};
use taskpass_proto::v1::heartbeat_response::Message as Down;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use crate::support::client::{Client, Refused, random};
use crate::support::eventually;
use crate::support::installation::{Installation, Plan};
use crate::support::operator::Operator;

const CI: &str = "spiffe://acme.example/prod/ci/docs";

pub(crate) struct Stream {
    up: mpsc::Sender<v1::HeartbeatRequest>,
    down: Streaming<v1::HeartbeatResponse>,
}

impl Stream {
    pub(crate) async fn open(
        client: &mut Client,
        live_jobs: Vec<String>,
    ) -> Result<(Self, v1::heartbeat_response::Welcome), Refused> {
        let (up, requests) = mpsc::channel(16);
        let hello = Hello {
            holder: Some(client.holder.clone()),
            live_jobs,
            host: "node-1".into(),
            agent_version: "test".into(),
        };
        up.send(v1::HeartbeatRequest {
            message: Some(Up::Hello(hello)),
        })
        .await
        .unwrap();
        let down = client.grpc.heartbeat(ReceiverStream::new(requests)).await?;
        let mut stream = Self {
            up,
            down: down.into_inner(),
        };
        match stream.next().await {
            Some(Down::Welcome(welcome)) => Ok((stream, welcome)),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn beat(&mut self, opened: Vec<String>) {
        self.say(opened).await.unwrap();
    }

    /// Says that it lives; nobody may be there to hear it.
    pub(crate) async fn try_to_beat(&mut self) -> Option<()> {
        self.say(vec![]).await
    }

    async fn say(&mut self, opened: Vec<String>) -> Option<()> {
        let beat = Beat {
            opened,
            ended: vec![],
        };
        let request = v1::HeartbeatRequest {
            message: Some(Up::Beat(beat)),
        };
        self.up.send(request).await.ok()
    }

    pub(crate) async fn next(&mut self) -> Option<Down> {
        self.down
            .message()
            .await
            .ok()
            .flatten()
            .and_then(|answer| answer.message)
    }
}

async fn announced(client: &mut Client) -> v1::OpenJobResponse {
    let mut request = client.request("deploy-docs");
    request.liveness = v1::Liveness::Heartbeat.into();
    client.open(request).await.unwrap()
}

async fn cause(operator: &Operator, job: &str) -> Option<v1::Cause> {
    let job = Operator(operator.0.clone()).job(job).await.job.unwrap();
    (job.state() == v1::JobState::Ended).then(|| job.cause())
}

#[tokio::test]
async fn silence_ends_the_jobs_and_beats_keep_them() {
    let broker = Installation::start().await;
    let operator = Operator::connect(&broker).await;
    let mut silent = broker.client(CI).await;
    let mut beating = broker.client(CI).await;
    let lost = announced(&mut silent).await.job_id;
    let kept = announced(&mut beating).await.job_id;
    let (mut stream, welcome) = Stream::open(&mut beating, vec![kept.clone()])
        .await
        .unwrap();
    assert_eq!(welcome.interval.unwrap().seconds, 1);
    assert_eq!(welcome.limit.unwrap().seconds, 3);
    assert!(welcome.gone.is_empty());
    let ended = eventually("silence ends the job", || {
        let operator = Operator(operator.0.clone());
        let lost = lost.clone();
        async move { cause(&operator, &lost).await }
    });
    let beats = async {
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        loop {
            ticks.tick().await;
            stream.beat(vec![]).await;
            assert!(matches!(stream.next().await, Some(Down::Ack(_))));
        }
    };
    let cause_of_end = tokio::select! { cause = ended => cause, () = beats => unreachable!() };
    assert_eq!(cause_of_end, v1::Cause::HeartbeatLost);
    assert_eq!(cause(&operator, &kept).await, None);
}

#[tokio::test]
async fn a_greeting_says_which_jobs_are_gone() {
    let broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let open = announced(&mut client).await.job_id;
    let closed = announced(&mut client).await.job_id;
    client.close(&closed).await.unwrap();
    let mut stranger = broker.client("spiffe://acme.example/prod/ci/other").await;
    let theirs = announced(&mut stranger).await.job_id;
    let jobs = vec![open, closed.clone(), theirs.clone()];
    let (_stream, welcome) = Stream::open(&mut client, jobs).await.unwrap();
    let gone: Vec<_> = welcome
        .gone
        .iter()
        .map(|g| (g.job_id.clone(), g.cause()))
        .collect();
    assert_eq!(
        gone,
        [
            (closed, v1::Cause::JobClosed),
            (theirs, v1::Cause::Unspecified)
        ]
    );
}

#[tokio::test]
async fn jobs_that_a_greeting_leaves_out_end_after_one_limit() {
    let broker = Installation::start().await;
    let operator = Operator::connect(&broker).await;
    let mut client = broker.client(CI).await;
    let forgotten = announced(&mut client).await.job_id;
    let kept = announced(&mut client).await.job_id;
    let (mut stream, _) = Stream::open(&mut client, vec![kept.clone()]).await.unwrap();
    let ended = eventually("the forgotten job ends", || {
        let operator = Operator(operator.0.clone());
        let forgotten = forgotten.clone();
        async move { cause(&operator, &forgotten).await }
    });
    let beats = async {
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        loop {
            ticks.tick().await;
            stream.beat(vec![]).await;
            stream.next().await;
        }
    };
    let cause_of_end = tokio::select! { cause = ended => cause, () = beats => unreachable!() };
    assert_eq!(cause_of_end, v1::Cause::HeartbeatLost);
    assert_eq!(cause(&operator, &kept).await, None);
}

#[tokio::test]
async fn after_a_restart_announced_jobs_live_on_and_the_rest_end() {
    let mut broker = Installation::start().await;
    let mut alive = broker.client(CI).await;
    let mut dead = broker.client("spiffe://acme.example/prod/ci/other").await;
    let kept = announced(&mut alive).await;
    let lost = announced(&mut dead).await.job_id;
    broker.broker.kill();
    broker.restart().await;
    let holder = alive.holder.clone();
    let mut alive = broker.client(CI).await;
    alive.holder = holder;
    // Within the limit the job is as it was.
    let lease = &kept.credentials[0].lease_id;
    alive.renew(lease, 1).await.unwrap();
    let (mut stream, welcome) = Stream::open(&mut alive, vec![kept.job_id.clone()])
        .await
        .unwrap();
    assert!(welcome.gone.is_empty());
    let operator = Operator::connect(&broker).await;
    let ended = eventually("the silent job ends", || {
        let operator = Operator(operator.0.clone());
        let lost = lost.clone();
        async move { cause(&operator, &lost).await }
    });
    let beats = async {
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        loop {
            ticks.tick().await;
            stream.beat(vec![]).await;
            stream.next().await;
        }
    };
    let cause_of_end = tokio::select! { cause = ended => cause, () = beats => unreachable!() };
    assert_eq!(cause_of_end, v1::Cause::HeartbeatLost);
    assert_eq!(cause(&operator, &kept.job_id).await, None);
}

#[tokio::test]
async fn a_stream_is_told_when_an_operator_ends_its_job() {
    let broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let job = announced(&mut client).await.job_id;
    let (mut stream, _) = Stream::open(&mut client, vec![job.clone()]).await.unwrap();
    let mut operator = Operator::connect(&broker).await;
    let request = v1::EndJobRequest {
        job_id: job.clone(),
        note: "test".into(),
    };
    operator.0.end_job(request).await.unwrap();
    match stream.next().await {
        Some(Down::JobEnded(ended)) => {
            assert_eq!(
                (ended.job_id.clone(), ended.cause()),
                (job, v1::Cause::Operator)
            );
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_graceful_shutdown_tells_streams_to_go_and_ends_them() {
    let mut broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let (mut stream, _) = Stream::open(&mut client, vec![]).await.unwrap();
    broker.broker.signal(rustix::process::Signal::TERM);
    assert!(matches!(stream.next().await, Some(Down::Reconnect(_))));
    assert!(stream.next().await.is_none());
    assert!(broker.broker.wait().success());
}

#[tokio::test]
async fn a_stream_that_does_not_begin_with_a_greeting_is_refused() {
    let broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let (up, requests) = mpsc::channel(1);
    let beat = Beat::default();
    up.send(v1::HeartbeatRequest {
        message: Some(Up::Beat(beat)),
    })
    .await
    .unwrap();
    let refused: Refused = client
        .grpc
        .heartbeat(ReceiverStream::new(requests))
        .await
        .unwrap_err()
        .into();
    assert_eq!(refused.reason, "REQUEST_INVALID");
}

#[tokio::test]
async fn holders_that_nobody_knows_are_counted_and_one_with_jobs_is_always_heard() {
    let plan = Plan {
        more: "[limits]\ncalls_per_second = 1\ncall_burst = 10",
        ..Plan::default()
    };
    let broker = Installation::with(plan).await;
    let mut known = broker.client(CI).await;
    let opened = announced(&mut known).await;
    let mut limited = 0;
    for _ in 0..40 {
        let mut stranger = known.clone();
        stranger.holder.secret = random::<32>().to_vec();
        if let Err(refused) = Stream::open(&mut stranger, vec![]).await {
            assert_eq!(refused.reason, "RATE_LIMITED");
            limited += 1;
        }
    }
    assert!(limited > 0);
    for _ in 0..5 {
        let jobs = vec![opened.job_id.clone()];
        let (_, welcome) = Stream::open(&mut known, jobs).await.unwrap();
        assert!(welcome.gone.is_empty());
    }
}
