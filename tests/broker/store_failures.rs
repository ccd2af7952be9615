//! A store that fails: nothing is issued, what is given back is taken all the same.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use taskpass_proto::v1::EndProgress;

use crate::support::client::token;
use crate::support::installation::Installation;
use crate::support::operator::Operator;
use crate::support::process::Process;
use crate::support::{eventually, http};

const CI: &str = "spiffe://acme.example/prod/ci/docs";
const VERIFIER: &str = "spiffe://acme.example/prod/docs-api";

/// Makes every write fail, as a full disk does: another connection holds the write lock.
fn block(broker: &Installation) -> rusqlite::Connection {
    let connection = rusqlite::Connection::open(broker.path("taskpass.db")).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    connection
}

#[tokio::test]
async fn issues_nothing_ends_all_the_same_and_recovers_by_itself() {
    let broker = Installation::start().await;
    let mut client = broker.client(CI).await;
    let mut verifier = broker.client(VERIFIER).await;
    let opened = client.open_docs().await;
    let blocker = block(&broker);

    let refused = client
        .open(client.request("deploy-docs"))
        .await
        .unwrap_err();
    assert_eq!(refused.reason, "STORE_UNAVAILABLE");
    let renewed = client
        .renew(&opened.credentials[0].lease_id, 1)
        .await
        .unwrap_err();
    assert_eq!(renewed.reason, "STORE_UNAVAILABLE");

    let closed = client.close(&opened.job_id).await.unwrap();
    assert_eq!(closed.progress(), EndProgress::Pending);
    let answer = verifier.introspect(token(&opened.credentials[0])).await;
    assert!(!answer.active, "pending means in effect");
    let (status, body) = http::get(broker.operations, "/readyz").await.unwrap();
    assert_eq!(status, 503, "{body}");

    drop(blocker);
    // Nobody asks again: the broker repeats it by itself.
    let operator = Operator::connect(&broker).await;
    eventually("the end is durable", || {
        let (mut operator, job) = (operator.clone(), opened.job_id.clone());
        async move {
            let records = operator.of_job(&job).await;
            records
                .iter()
                .any(|record| record.event == "job.ended")
                .then_some(())
        }
    })
    .await;
    let closed = client.close(&opened.job_id).await.unwrap();
    assert_eq!(closed.progress(), EndProgress::Confirmed);
    eventually("the broker is ready again", || async {
        http::get(broker.operations, "/readyz")
            .await
            .filter(|(status, _)| *status == 200)
    })
    .await;
    client.open_docs().await;
}

#[tokio::test]
async fn a_key_file_that_others_can_read_or_that_is_missing_stops_the_start() {
    let mut broker = Installation::start().await;
    broker.broker.stop();
    let key = broker.path("seal.key");
    let config = broker.path("broker.toml");
    let attempt = |name: &str| {
        let log = broker.path(name);
        let mut process = Process::start(&["broker", "--config", config.to_str().unwrap()], &log);
        let status = process.wait();
        (status.code(), process.log())
    };
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let (code, log) = attempt("open.log");
    assert_eq!(code, Some(1));
    assert!(log.contains("chmod 600"), "{log}");
    fs::remove_file(&key).unwrap();
    let (code, log) = attempt("missing.log");
    assert_eq!(code, Some(1));
    assert!(log.contains("seal.key"), "{log}");
    crate::support::installation::write_private(&key, &"77".repeat(32));
    let (code, log) = attempt("other.log");
    assert_eq!(code, Some(1));
    assert!(
        log.contains("does not open with the sealing key `k1`"),
        "{log}"
    );
}

#[tokio::test]
async fn a_start_with_another_issuer_is_refused() {
    let mut broker = Installation::start().await;
    broker.broker.stop();
    let config = broker.path("broker.toml");
    let toml = fs::read_to_string(&config).unwrap();
    let issuer = format!("http://{}", broker.public);
    fs::write(
        &config,
        toml.replace(&issuer, "https://taskpass.acme.example"),
    )
    .unwrap();
    let mut process = Process::start(
        &["broker", "--config", config.to_str().unwrap()],
        &broker.path("x.log"),
    );
    assert_eq!(process.wait().code(), Some(1));
    assert!(
        process.log().contains("was initialised with the issuer"),
        "{}",
        process.log()
    );
}
