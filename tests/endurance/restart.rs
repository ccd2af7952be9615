//! How long a restart takes with many leases. It measures, and asserts no time: run it by name, with
//! `-- --ignored --nocapture`, and with `--release` for a figure.

use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::ledger::{CI, installation, policy};
use crate::support::installation::Installation;
use crate::support::operator::Operator;
use crate::support::{eventually_within, http};

const ENDED: u32 = 500_000;
const LIVE: u32 = 50_000;
/// Holders that share the live jobs.
const HOLDERS: u32 = 1_000;

/// How long the first start may take: it signs every record of the audit log that was made here.
const FIRST: Duration = Duration::from_secs(3600);

/// Copies the one job that is there, with its two leases and its audit records, under ids of their own.
fn multiply(store: &Connection, times: u32, is_open: bool) {
    let open = if is_open { "IS NULL" } else { "IS NOT NULL" };
    // The first nine bytes of an id are its time and its version.
    let sql = format!(
        "CREATE TEMP TABLE copy AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {times})
             SELECT job.id AS old, CAST(substr(job.id, 1, 9) || randomblob(7) AS BLOB) AS new, n.i AS i
             FROM n, (SELECT id FROM job WHERE ended_at {open} LIMIT 1) AS job;
         INSERT INTO job SELECT copy.new, ended_at, cause, due_at + 86400000, subject,
                 CAST(zeroblob(28) || printf('%04d', copy.i % {HOLDERS}) AS BLOB),
                 task, 'heartbeat', anchor, opened_at, ends_by + 86400000, request, decision, policy, parameters,
                 reported
             FROM copy JOIN job ON job.id = copy.old ORDER BY copy.new;
         INSERT INTO lease SELECT copy.new, number, state, cause, ended_at, generation, issued_at,
                 expires_at + 86400000, terms
             FROM copy JOIN lease ON lease.job = copy.old ORDER BY copy.new, number;
         INSERT INTO audit (job, leaf, salt, details) SELECT copy.new, leaf, salt, details
             FROM copy JOIN audit ON audit.job = copy.old ORDER BY copy.new, number;
         DROP TABLE copy;"
    );
    store.execute_batch(&sql).unwrap();
}

async fn fill(broker: &mut Installation) {
    let mut client = broker.client(CI).await;
    let ended = client.open(client.request("deploy-docs")).await.unwrap();
    client.close(&ended.job_id).await.unwrap();
    client.open(client.request("deploy-docs")).await.unwrap();
    drop(client);
    broker.broker.stop();
    let store = Connection::open(broker.path("taskpass.db")).unwrap();
    store
        .execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -1000000")
        .unwrap();
    multiply(&store, ENDED, false);
    multiply(&store, LIVE, true);
    drop(store);
    broker.restart_unready();
    eventually_within(FIRST, "the copies are in the audit log", || async {
        matches!(
            http::get(broker.operations, "/readyz").await,
            Some((200, _))
        )
        .then_some(())
    })
    .await;
    broker.broker.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes and some GB of disk: measures the restart with a million ended leases"]
#[allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "it measures, and says what"
)]
async fn a_restart_with_a_million_ended_and_a_hundred_thousand_live_leases() {
    let policy = policy();
    let mut broker = installation(&policy).await;
    fill(&mut broker).await;
    for _ in 0..3 {
        let began = Instant::now();
        broker.restart().await;
        eprintln!("ready after {:?}", began.elapsed());
        let mut operator = Operator::connect(&broker).await;
        let status = operator
            .0
            .get_status(taskpass_proto::v1::GetStatusRequest {});
        let status = status.await.unwrap().into_inner();
        eprintln!(
            "{} open jobs, {} holders",
            status.open_jobs, status.sessions
        );
        broker.broker.kill();
    }
}
