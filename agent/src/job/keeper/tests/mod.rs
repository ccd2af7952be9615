//! The keeper with a broker and a disk that do as they are told, on a paused clock.

mod adoption;
mod ending;
mod fake_broker;
mod fake_clock;
mod fake_disk;
mod opening;
mod renewal;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use taskpass_proto::ids::JobId;
use taskpass_proto::reason::Reason;
use taskpass_proto::refusal::Refusal;
use taskpass_proto::v1;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;

use self::fake_broker::FakeBroker;
use self::fake_clock::FakeClock;
use self::fake_disk::FakeDisk;
use super::*;
use crate::broker::CallError;
use crate::callers::Peer;
use crate::job::messages::{Anchor, Close, Closed, Wanted};
use crate::job::view::Stage;
use crate::journal::Remembered;
use crate::watch::process::Process;

const UID: u32 = 1000;
const OTHER: u32 = 1001;
const WORKLOAD: &str = "spiffe://acme.example/prod/ci/docs";

/// A keeper and everything around it.
struct Node {
    jobs: Jobs,
    broker: Arc<FakeBroker>,
    disk: FakeDisk,
    clock: Arc<FakeClock>,
    live: Arc<LiveJobs>,
    told: mpsc::Sender<Told>,
    rest: CancellationToken,
    keeping: JoinSet<Option<Keeper>>,
    _tasks: JoinSet<()>,
}

impl Node {
    fn start() -> Self {
        Self::finding(Found::default())
    }

    /// A start that finds this in its journal.
    fn remembering(remembered: BTreeMap<JobId, Remembered>) -> Self {
        Self::finding(Found {
            remembered,
            handed: None,
        })
    }

    /// A start that finds this.
    fn finding(found: Found) -> Self {
        let broker = Arc::new(FakeBroker::default());
        let clock = Arc::new(FakeClock::default());
        let live = Arc::<LiveJobs>::default();
        let (journal, writes) = Journal::new();
        let (told, hears) = mpsc::channel(16);
        let mut tasks = JoinSet::new();
        let disk = FakeDisk::default();
        tasks.spawn(disk.clone().run(writes));
        let parts = Parts {
            broker: Arc::clone(&broker) as _,
            holder: v1::Holder::default(),
            identities: vec![(WORKLOAD.to_owned(), Arc::clone(&live))],
            journal,
            clock: Arc::clone(&clock) as _,
            random: Random::default(),
            host: "node-1".to_owned(),
            max_jobs_per_uid: 20,
        };
        let (keeper, jobs) = Keeper::new(parts, found, hears);
        let (rest, mut keeping) = (CancellationToken::new(), JoinSet::new());
        keeping.spawn(keeper.run(rest.clone()));
        Self {
            jobs,
            broker,
            disk,
            clock,
            live,
            told,
            rest,
            keeping,
            _tasks: tasks,
        }
    }

    async fn open(&self, anchor: Anchor) -> Result<JobView, JobError> {
        self.open_as(UID, anchor).await
    }

    async fn open_as(&self, uid: u32, anchor: Anchor) -> Result<JobView, JobError> {
        self.jobs.open(peer(uid), 0, wanted(anchor)).await
    }

    /// A job that is open, and its view.
    async fn opened(&self) -> (JobId, watch::Receiver<JobView>) {
        let id = self.open(Anchor::Ttl).await.unwrap().id;
        (id, self.jobs.watch(id, UID).await.unwrap())
    }

    async fn close(&self, id: JobId, patience: Duration) -> Result<Closed, JobError> {
        self.jobs.close(close(id, UID), patience).await
    }

    /// The keeper, standing still.
    async fn rest(&mut self) -> Keeper {
        std::mem::take(&mut self.rest).cancel();
        self.keeping.join_next().await.unwrap().unwrap().unwrap()
    }

    /// The broker says something of a job, knowing what it knows now.
    async fn tell(&self, job: JobId, cause: Option<v1::Cause>) {
        let as_of = tokio::time::Instant::now();
        self.told.send(Told { job, cause, as_of }).await.unwrap();
        pass(Duration::from_millis(1)).await;
    }
}

fn peer(uid: u32) -> Peer {
    let this = std::process::id();
    let process = Process::of_user(this, rustix::process::getuid().as_raw()).unwrap();
    Peer {
        uid,
        gid: uid,
        process: Arc::new(process),
        executable: "/usr/bin/deploy".to_owned(),
    }
}

fn wanted(anchor: Anchor) -> Wanted {
    Wanted {
        task: "deploy-docs".to_owned(),
        parameters: BTreeMap::new(),
        credentials: vec![],
        anchor,
        max_duration: None,
    }
}

fn close(id: JobId, uid: u32) -> Close {
    Close {
        id,
        uid: Some(uid),
        cause: v1::Cause::JobClosed,
        exit_status: None,
    }
}

fn refused(reason: Reason) -> CallError {
    Refusal::new(reason, "").into()
}

fn away() -> CallError {
    CallError::NotConnected("connection refused".to_owned())
}

fn lost() -> CallError {
    CallError::Unanswered("no answer in time".to_owned())
}

/// Lets virtual time pass.
async fn pass(time: Duration) {
    sleep(time).await;
}

/// Looks ten times a second of virtual time until something is so, and says whether it came to that.
async fn within(seconds: u64, mut is_so: impl FnMut() -> bool) -> bool {
    for _ in 0..seconds * 10 {
        if is_so() {
            return true;
        }
        pass(Duration::from_millis(100)).await;
    }
    is_so()
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}
