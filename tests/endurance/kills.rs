//! `kill -9`: at named points, in the middle of system calls, and at random under load.

use std::time::Duration;

use rusqlite::Connection;
use taskpass_proto::v1;
use tokio::task::JoinSet;
use tokio::time::interval;

use super::ledger::{CI, Ledger, Load, installation, plan, policy};
use crate::broker::liveness::Stream;
use crate::support::client::Client;
use crate::support::eventually;
use crate::support::fault::Fault;
use crate::support::installation::Installation;
use crate::support::operator::Operator;

/// Rounds of the random test, unless `TASKPASS_CRASH_ROUNDS` says otherwise.
const ROUNDS: usize = 16;
/// Kills at the n-th time that the point is reached. The log of the store is copied back when it has a thousand
/// pages.
const UNDER_LOAD: [&str; 9] = [
    "commit.before:1",
    "commit.before:40",
    "commit.after:1",
    "commit.after:33",
    "group.half:3",
    "reply.before:1",
    "reply.before:25",
    "checkpoint.before:1",
    "checkpoint.after:1",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_at_any_named_point_under_load() {
    let policy = policy();
    let mut broker = installation(&policy).await;
    let mut ledger = Ledger::default();
    for point in UNDER_LOAD {
        broker.broker.stop();
        broker.restart_to_die_at(point);
        broker.serves_or_dies().await;
        if !broker.broker.has_exited() {
            let load = Load::start(&broker).await;
            broker.wait_until_dead(point).await;
            load.stop(&mut ledger).await;
        }
        broker.restart().await;
        ledger.compare(&broker).await;
    }
    assert!(ledger.len() > 50, "{}", ledger.len());
    is_sound(&mut broker);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_in_the_middle_of_a_write_or_a_checkpoint() {
    let policy = policy();
    let mut broker = installation(&policy).await;
    let mut ledger = Ledger::default();
    let calls = [
        // Half of a transaction is in the log.
        ("taskpass.db-wal", "pwrite64:signal=KILL:when=9"),
        ("taskpass.db-wal", "pwrite64:signal=KILL:when=200"),
        // Everything is written, nothing is synced.
        ("taskpass.db-wal", "fdatasync,fsync:signal=KILL:when=4"),
        // Some pages are copied back, others are not.
        ("taskpass.db", "pwrite64:signal=KILL:when=30"),
        ("taskpass.db", "fdatasync,fsync:signal=KILL:when=1"),
    ];
    for (file, call) in calls {
        let fault = Fault::inject(broker.broker.pid(), &broker.path(file), call);
        let load = Load::start(&broker).await;
        broker.wait_until_dead(call).await;
        load.stop(&mut ledger).await;
        drop(fault);
        broker.restart().await;
        ledger.compare(&broker).await;
    }
    is_sound(&mut broker);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_by_kills_at_random_and_living_holders_keep_their_jobs() {
    let policy = policy();
    let mut broker = installation(&policy).await;
    let mut ledger = Ledger::default();
    let mut holder = broker.client(CI).await;
    let mut silent = broker.client(CI).await;
    let kept = announced(&mut holder).await;
    let lost = announced(&mut silent).await;
    let rounds = rounds();
    let mut beating = JoinSet::new();
    for round in 0..rounds {
        let load = Load::start(&broker).await;
        // A different moment in each round.
        load.reach(1 + round * 37 % 211).await;
        broker.broker.kill();
        load.stop(&mut ledger).await;
        broker.restart().await;
        let mut again = broker.client(CI).await;
        again.holder.clone_from(&holder.holder);
        let (stream, welcome) = Stream::open(&mut again, vec![kept.clone()]).await.unwrap();
        assert_eq!(
            welcome.gone,
            [],
            "round {round}: a job of a living holder ended"
        );
        beating.shutdown().await;
        beating.spawn(beat(stream));
        ledger.compare(&broker).await;
    }
    assert!(ledger.len() > rounds, "nothing was opened under load");
    // The one that nobody announced in any round has ended by now, or does within the limit.
    cause_of_end(&broker, &lost, v1::Cause::HeartbeatLost).await;
    is_sound(&mut broker);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_in_the_first_start_of_all_leaves_nothing_half_done() {
    let policy = policy();
    // Each start records the policy that it puts in force, and only then makes the keys that it asks for.
    for (point, loaded) in [
        ("migration.half:1", 1),
        ("keys.half:1", 2),
        ("policy.half:1", 1),
    ] {
        let mut broker = Installation::unready(plan(&policy));
        broker.wait_until_ready().await;
        broker.broker.stop();
        for file in ["taskpass.db", "taskpass.db.mark"] {
            std::fs::remove_file(broker.path(file)).unwrap();
        }
        std::fs::remove_dir_all(broker.path("audit-log")).unwrap();
        broker.restart_to_die_at(point);
        broker.wait_until_dead(point).await;
        broker.restart().await;
        let mut operator = Operator::connect(&broker).await;
        let keys = operator.events("key.created").await.len();
        assert!(keys == 2, "{point}: {keys} keys");
        assert_eq!(
            operator.events("policy.loaded").await.len(),
            loaded,
            "{point}"
        );
        broker.client(CI).await.open_docs().await;
        is_sound(&mut broker);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_between_two_batches_of_expiry_leaves_every_job_ended_once() {
    let policy = policy();
    let mut broker = installation(&policy).await;
    broker.broker.stop();
    broker.restart_to_die_at("expiry.between:1");
    broker.wait_until_ready().await;
    let mut client = broker.client(CI).await;
    let mut jobs = Vec::new();
    for _ in 0..80 {
        match client.open(client.request("brief")).await {
            Ok(opened) => jobs.push(opened.job_id),
            Err(_) => break,
        }
    }
    broker.wait_until_dead("the first batch of expiry").await;
    broker.restart().await;
    for job in &jobs {
        cause_of_end(&broker, job, v1::Cause::Ttl).await;
    }
    Ledger::default().compare(&broker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_while_pending_ends_are_repeated_loses_none_that_was_confirmed() {
    let policy = policy();
    let mut broker = installation(&policy).await;
    broker.broker.stop();
    broker.restart_to_die_at("pending.end:2");
    broker.wait_until_ready().await;
    let mut client = broker.client(CI).await;
    let mut jobs = Vec::new();
    for _ in 0..3 {
        jobs.push(client.open_docs().await.job_id);
    }
    let blocker = Connection::open(broker.path("taskpass.db")).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    for job in &jobs {
        // The first ones are being repeated meanwhile, so this may be the end already.
        let Ok(closed) = client.close(job).await else {
            break;
        };
        assert_eq!(closed.progress(), v1::EndProgress::Pending);
    }
    broker.wait_until_dead("the repetition of an end").await;
    drop(blocker);
    broker.restart().await;
    let mut again = broker.client(CI).await;
    again.holder.clone_from(&client.holder);
    for job in &jobs {
        // As every holder does whose end was not confirmed.
        let closed = again.close(job).await.unwrap();
        assert_eq!(closed.progress(), v1::EndProgress::Confirmed);
        cause_of_end(&broker, job, v1::Cause::JobClosed).await;
    }
    Ledger::default().compare(&broker).await;
}

/// Lives until the broker does not.
async fn beat(mut stream: Stream) {
    let mut ticks = interval(Duration::from_millis(500));
    loop {
        ticks.tick().await;
        if stream.try_to_beat().await.is_none() {
            return;
        }
    }
}

async fn announced(client: &mut Client) -> String {
    let mut request = client.request("deploy-docs");
    request.liveness = v1::Liveness::Heartbeat.into();
    client.open(request).await.unwrap().job_id
}

pub(super) async fn cause_of_end(broker: &Installation, job: &str, cause: v1::Cause) {
    let operator = Operator::connect(broker).await;
    eventually("the job has ended", || {
        let (mut operator, job) = (Operator(operator.0.clone()), job.to_owned());
        async move {
            let job = operator.job(&job).await;
            let is_over = job.job.unwrap().state() == v1::JobState::Ended;
            is_over.then(|| {
                for lease in job.leases {
                    assert_eq!(lease.cause(), cause);
                }
            })
        }
    })
    .await;
}

/// Stops the broker and has SQLite look at every page.
fn is_sound(broker: &mut Installation) {
    broker.broker.stop();
    let connection = Connection::open(broker.path("taskpass.db")).unwrap();
    let found: String = connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(found, "ok");
}

#[allow(
    clippy::disallowed_methods,
    reason = "a long run is asked for from outside"
)]
fn rounds() -> usize {
    let asked = std::env::var("TASKPASS_CRASH_ROUNDS").ok();
    asked.map_or(ROUNDS, |rounds| rounds.parse().unwrap())
}
