//! The wall clock steps by hours under a running broker.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use taskpass_proto::v1;

use super::ledger::{CI, VERIFIER};
use crate::broker::liveness::Stream;
use crate::support::client::token;
use crate::support::installation::Installation;
use crate::support::operator::Operator;
use crate::support::process::Process;
use crate::support::{eventually, http};

/// The library that steps the wall clock of one process, and leaves its clock since boot alone.
///
/// Panics where it is missing: `./check --setup` installs it.
fn faketime() -> PathBuf {
    let found = Command::new("sh")
        .args([
            "-c",
            "ls /usr/lib/*/faketime/libfaketimeMT.so.1 | head -n 1",
        ])
        .output()
        .unwrap();
    let path = String::from_utf8(found.stdout).unwrap();
    assert!(
        !path.trim().is_empty(),
        "this test needs faketime: type `./check --setup`"
    );
    path.trim().into()
}

/// Restarts the broker under a clock that follows the file.
async fn under(broker: &mut Installation, clock: &str) {
    broker.broker.stop();
    fs::write(broker.path("clock"), clock).unwrap();
    let mut command = broker.command();
    command
        .env("LD_PRELOAD", faketime())
        .env("FAKETIME_TIMESTAMP_FILE", broker.path("clock"))
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("DONT_FAKE_MONOTONIC", "1");
    broker.broker = Process::start_command(&mut command, &broker.path("broker.log"));
    broker.wait_until_ready().await;
}

async fn steps(broker: &Installation, clock: &str) {
    fs::write(broker.path("clock"), clock).unwrap();
    eventually("the step is noticed", || async {
        match http::get(broker.operations, "/readyz").await {
            Some((503, body)) if body.contains("the clock stepped") => Some(()),
            _ => None,
        }
    })
    .await;
}

/// Waits until more than the limit of silence (3 s) has passed since the step, by the broker's own count.
async fn silent_beyond_the_limit(broker: &Installation) {
    eventually("the minute runs down", || async {
        let (_, body) = http::get(broker.operations, "/readyz").await?;
        let (_, rest) = body.split_once("nothing expires for ")?;
        let (left, _) = rest.split_once(" s more")?;
        (left.parse::<u64>().ok()? <= 55).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_of_hours_ends_no_live_job_and_issues_nothing() {
    let mut broker = Installation::start().await;
    under(&mut broker, "+0s").await;
    let mut client = broker.client(CI).await;
    let mut asked = client.request("deploy-docs");
    asked.liveness = v1::Liveness::Heartbeat.into();
    let opened = client.open(asked).await.unwrap();
    let (_stream, _) = Stream::open(&mut client, vec![opened.job_id.clone()])
        .await
        .unwrap();
    for clock in ["+5h", "+0s", "-5h", "+0s"] {
        steps(&broker, clock).await;
        let refused = client.open(client.request("deploy-docs")).await;
        assert!(refused.is_err(), "{clock}");
        silent_beyond_the_limit(&broker).await;
        let mut operator = Operator::connect(&broker).await;
        let job = operator.job(&opened.job_id).await;
        assert_eq!(job.job.unwrap().state(), v1::JobState::Open, "{clock}");
        assert_eq!(operator.events("lease.ended").await, [], "{clock}");
    }
    // The clock is right again: what is valid is valid, and what is given back is taken.
    let mut again = broker.client(CI).await;
    again.holder.clone_from(&client.holder);
    let mut verifier = broker.client(VERIFIER).await;
    assert!(
        verifier
            .introspect(token(&opened.credentials[0]))
            .await
            .active
    );
    let closed = again.close(&opened.job_id).await.unwrap();
    assert_eq!(closed.progress(), v1::EndProgress::Confirmed);
    assert!(
        !verifier
            .introspect(token(&opened.credentials[0]))
            .await
            .active
    );
}
