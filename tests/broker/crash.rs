//! `kill -9` of the broker under load: what a client has seen is recorded, and a repeated call makes no
//! second job.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use taskpass_proto::v1;

use crate::support::client::{Client, Refused};
use crate::support::installation::Installation;
use crate::support::operator::Operator;

const CI: &str = "spiffe://acme.example/prod/ci/docs";
const ROUNDS: usize = 12;
const CLIENTS: usize = 8;

/// Opens jobs until the broker is gone, counting answers. Answers what was seen, and the request that got
/// no answer.
async fn open_until_killed(
    mut client: Client,
    answered: Arc<AtomicUsize>,
) -> (Vec<v1::OpenJobResponse>, Option<v1::OpenJobRequest>) {
    let mut seen = Vec::new();
    loop {
        let request = client.request("deploy-docs");
        match client.grpc.open_job(request.clone()).await {
            Ok(opened) => {
                answered.fetch_add(1, Ordering::Relaxed);
                seen.push(opened.into_inner());
            }
            Err(status) => {
                let refused = Refused::from(status);
                assert!(refused.reason.is_empty(), "{refused:?}");
                return (seen, Some(request));
            }
        }
    }
}

#[tokio::test]
async fn no_token_that_was_seen_lacks_its_lease_and_record() {
    let limits = "[limits]\ncalls_per_second = 100000\ncall_burst = 100000";
    let policy = crate::support::installation::POLICY.replace(
        "credentials = [\"docs-api\", \"tickets-api\"]",
        "credentials = [\"docs-api\"]\nmax_live_jobs = 1000000",
    );
    let plan = crate::support::installation::Plan {
        more: limits,
        policy: &policy,
        ..Default::default()
    };
    let mut broker = Installation::with(plan).await;
    let mut all: BTreeSet<String> = BTreeSet::new();
    for round in 0..ROUNDS {
        let mut tasks = tokio::task::JoinSet::new();
        let answered = Arc::new(AtomicUsize::new(0));
        for _ in 0..CLIENTS {
            let client = broker.client(CI).await;
            tasks.spawn(open_until_killed(client, Arc::clone(&answered)));
        }
        // A different moment in each round.
        while answered.load(Ordering::Relaxed) < 1 + 13 * round {
            tokio::task::yield_now().await;
        }
        broker.broker.kill();
        let outcomes = tasks.join_all().await;
        broker.restart().await;

        let mut operator = Operator::connect(&broker).await;
        for (seen, cut_off) in outcomes {
            for opened in seen {
                let job = operator.job(&opened.job_id).await;
                assert_eq!(job.leases.len(), opened.credentials.len());
                for credential in &opened.credentials {
                    let lease = job
                        .leases
                        .iter()
                        .find(|l| l.lease_id == credential.lease_id);
                    assert!(lease.is_some(), "{}", credential.lease_id);
                }
                let records = operator.of_job(&opened.job_id).await;
                let events: Vec<&str> = records.iter().map(|r| r.event.as_str()).collect();
                assert_eq!(&events[..2], ["job.opened", "lease.issued"]);
                assert!(
                    all.insert(opened.job_id.clone()),
                    "a job id was answered twice"
                );
            }
            // The call whose answer was lost: repeated, it gives one job, whether or not the first did.
            if let Some(request) = cut_off {
                let mut client = broker.client(CI).await;
                let first = client.open(request.clone()).await.unwrap();
                let again = client.open(request).await.unwrap();
                assert!(again.repeated);
                assert_eq!(first.decision_id, again.decision_id);
                let records = operator.of_job(&first.job_id).await;
                let opened = records.iter().filter(|r| r.event == "job.opened").count();
                assert_eq!(opened, 1);
            }
        }
    }
    assert!(all.len() > ROUNDS, "nothing was opened under load");
    // The numbers of the log are dense across every crash.
    let mut operator = Operator::connect(&broker).await;
    let numbers: Vec<u64> = operator
        .records(|_| {})
        .await
        .iter()
        .map(|r| r.number)
        .collect();
    let expected: Vec<u64> = (1..).take(numbers.len()).collect();
    assert_eq!(numbers, expected);
}
