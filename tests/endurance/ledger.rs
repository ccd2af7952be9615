//! What clients saw, and the comparison with what the broker recorded.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use taskpass_proto::v1;
use tokio::task::JoinSet;

use crate::support::client::{Client, Refused, token};
use crate::support::installation::{Installation, POLICY, Plan};
use crate::support::operator::Operator;

pub(crate) const CI: &str = "spiffe://acme.example/prod/ci/docs";
pub(crate) const VERIFIER: &str = "spiffe://acme.example/prod/docs-api";
const CLIENTS: usize = 8;

/// A job that a client was told of.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    job: String,
    /// Each lease with the newest generation that was answered.
    leases: BTreeMap<String, u32>,
    token: String,
    close: Close,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Close {
    No,
    /// Asked for, and not answered as confirmed: it may or may not have happened.
    Perhaps,
    Confirmed,
}

/// Everything that was answered since the installation began.
#[derive(Default)]
pub(crate) struct Ledger {
    seen: Vec<Seen>,
    /// Those that were compared once before: they are not looked at one by one again.
    compared: usize,
}

/// Clients at work until they are stopped or the broker is gone.
pub(crate) struct Load {
    tasks: JoinSet<Vec<Seen>>,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
}

/// A policy that lets many jobs be open, and as long as many rounds take.
pub(crate) fn policy() -> String {
    POLICY
        .replace(
            "credentials = [\"docs-api\", \"tickets-api\"]",
            "credentials = [\"docs-api\", \"tickets-api\"]\nmax_live_jobs = 1000000",
        )
        .replace("max_duration = \"30m\"", "max_duration = \"8h\"")
}

pub(crate) async fn installation(policy: &str) -> Installation {
    Installation::with(plan(policy)).await
}

pub(crate) fn plan(policy: &str) -> Plan<'_> {
    Plan {
        policy,
        more: "[limits]\ncalls_per_second = 100000\ncall_burst = 100000",
        ..Plan::default()
    }
}

impl Load {
    /// Eight clients that open, renew and close.
    pub(crate) async fn start(broker: &Installation) -> Self {
        let (stop, answered) = (Arc::default(), Arc::default());
        let mut tasks = JoinSet::new();
        for _ in 0..CLIENTS {
            // A broker that is to die may do so before everybody has come.
            let Some(client) = broker.try_client(CI).await else {
                break;
            };
            tasks.spawn(work(client, Arc::clone(&stop), Arc::clone(&answered)));
        }
        Self {
            tasks,
            stop,
            answered,
        }
    }

    /// How many calls were answered.
    pub(crate) fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }

    /// Waits for so many answers.
    pub(crate) async fn reach(&self, answers: usize) {
        while self.answered() < answers && !self.stop.load(Ordering::Relaxed) {
            tokio::task::yield_now().await;
        }
    }

    /// Has the clients stop after the call that is under way.
    pub(crate) async fn stop(self, ledger: &mut Ledger) {
        self.stop.store(true, Ordering::Relaxed);
        let seen = self.tasks.join_all().await;
        ledger.seen.extend(seen.into_iter().flatten());
    }
}

/// A round: open, renew every second job, close two of three. Ends when the broker is gone.
async fn work(mut client: Client, stop: Arc<AtomicBool>, answered: Arc<AtomicUsize>) -> Vec<Seen> {
    let mut all = Vec::new();
    for round in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let opened = match client.open(client.request("deploy-docs")).await {
            Ok(opened) => opened,
            Err(refused) if is_gone(&refused) => break,
            Err(_) => continue,
        };
        answered.fetch_add(1, Ordering::Relaxed);
        let leases = opened.credentials.iter();
        let mut seen = Seen {
            job: opened.job_id.clone(),
            leases: leases.map(|c| (c.lease_id.clone(), c.generation)).collect(),
            token: token(&opened.credentials[0]).to_owned(),
            close: Close::No,
        };
        let mut gone = false;
        if round % 2 == 0 {
            let lease = opened.credentials[0].lease_id.clone();
            match client.renew(&lease, 1).await {
                Ok(renewed) => {
                    answered.fetch_add(1, Ordering::Relaxed);
                    seen.leases.insert(lease, renewed.generation);
                }
                Err(refused) => gone = is_gone(&refused),
            }
        }
        if !gone && round % 3 != 0 {
            seen.close = Close::Perhaps;
            match client.close(&seen.job).await {
                Ok(closed) if closed.progress() == v1::EndProgress::Confirmed => {
                    answered.fetch_add(1, Ordering::Relaxed);
                    seen.close = Close::Confirmed;
                }
                Ok(_) => {}
                Err(refused) => gone = is_gone(&refused),
            }
        }
        all.push(seen);
        if gone {
            break;
        }
    }
    all
}

/// The transport failed: there is no reason of the broker's.
fn is_gone(refused: &Refused) -> bool {
    refused.reason.is_empty()
}

impl Ledger {
    /// How many jobs were answered.
    pub(crate) fn len(&self) -> usize {
        self.seen.len()
    }

    /// Compares everything that was answered with the store and the audit log of a broker that serves.
    pub(crate) async fn compare(&mut self, broker: &Installation) {
        let mut operator = Operator::connect(broker).await;
        let records = operator.records(|_| {}).await;
        let numbers: Vec<u64> = records.iter().map(|record| record.number).collect();
        let dense: Vec<u64> = (1..).take(numbers.len()).collect();
        assert_eq!(numbers, dense, "the numbers of the log are dense");
        let by_job = by_job(&records);
        let mut verifier = broker.client(VERIFIER).await;
        for seen in &self.seen[self.compared..] {
            self.compare_one(seen, &mut operator, &mut verifier).await;
        }
        for seen in &self.seen {
            compare_records(seen, by_job.get(seen.job.as_str()).unwrap_or(&vec![]));
        }
        compare_all_ends(&by_job);
        self.compared = self.seen.len();
    }

    async fn compare_one(&self, seen: &Seen, operator: &mut Operator, verifier: &mut Client) {
        let job = operator.job(&seen.job).await;
        for (id, generation) in &seen.leases {
            let lease = job.leases.iter().find(|lease| lease.lease_id == *id);
            let lease = lease.unwrap_or_else(|| panic!("a token was seen and {id} is not there"));
            assert!(lease.generation >= *generation, "{lease:?} {seen:?}");
        }
        let state = job.job.as_ref().unwrap().state();
        let is_active = verifier.introspect(&seen.token).await.active;
        match seen.close {
            Close::Confirmed => assert_eq!(state, v1::JobState::Ended, "{seen:?}"),
            Close::No => assert_eq!(state, v1::JobState::Open, "{seen:?}"),
            Close::Perhaps => {}
        }
        assert_eq!(is_active, state == v1::JobState::Open, "{seen:?}");
    }
}

/// Of each job: which event happened how often.
type Counts<'a> = HashMap<&'a str, Vec<&'a v1::AuditRecord>>;

fn by_job(records: &[v1::AuditRecord]) -> Counts<'_> {
    let mut all: Counts<'_> = HashMap::new();
    for record in records.iter().filter(|record| !record.job_id.is_empty()) {
        all.entry(&record.job_id).or_default().push(record);
    }
    all
}

fn count(records: &[&v1::AuditRecord], event: &str) -> usize {
    records
        .iter()
        .filter(|record| record.event == event)
        .count()
}

fn compare_records(seen: &Seen, records: &[&v1::AuditRecord]) {
    assert_eq!(count(records, "job.opened"), 1, "{seen:?}");
    assert_eq!(
        count(records, "lease.issued"),
        seen.leases.len(),
        "{seen:?}"
    );
    let renewed = seen.leases.values().filter(|generation| **generation > 1);
    assert!(
        count(records, "lease.renewed") >= renewed.count(),
        "{seen:?}"
    );
    if seen.close == Close::Confirmed {
        assert_eq!(count(records, "job.ended"), 1, "{seen:?}");
    }
}

/// Whatever ended, ended once, with every lease of it, each with a cause.
fn compare_all_ends(by_job: &Counts<'_>) {
    for (job, records) in by_job {
        let ended = count(records, "job.ended");
        assert!(ended <= 1, "{job} ended {ended} times");
        let (issued, over) = (
            count(records, "lease.issued"),
            count(records, "lease.ended"),
        );
        if ended == 1 {
            assert_eq!(issued, over, "each lease of {job} ends with it");
        }
        assert!(over <= issued, "{job}");
        let ends = records
            .iter()
            .filter(|r| ["job.ended", "lease.ended"].contains(&r.event.as_str()));
        for record in ends {
            assert_ne!(record.cause(), v1::Cause::Unspecified, "{record:?}");
        }
    }
}
