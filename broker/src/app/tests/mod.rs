//! The use cases over a real store and real keys, by a clock that the tests set.
//!
//! Callers come as the gate lets them through, so that whatever may happen between the gate and the commit can be
//! made to happen.

mod bans;
mod clock;
mod denials;
mod holders;
mod introspection;
mod lifetimes;
mod live_jobs;
mod pending;
mod policy;
mod policy_source;
mod silence;
mod soundness;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use taskpass_proto::holder::HolderSecret;
use taskpass_proto::ids::JobId;
use taskpass_proto::reason::Reason;
use taskpass_proto::refusal::Refusal;
use tempfile::TempDir;

use crate::adapters::keys::audit_key::AuditKey;
use crate::adapters::keys::key_set::KeySet;
use crate::adapters::keys::sealing::{Sealer, SealingKey};
use crate::adapters::store::sqlite::{InstallationFacts, SqliteStore};
use crate::domain::binding::{Bindings, Thumbprint};
use crate::domain::cause::Cause;
use crate::domain::job::{Anchor, Liveness};
use crate::domain::key_schedule::KeySchedule;
use crate::domain::policy::{Installation, Policy, SourceFile};
use crate::domain::session::Rhythm;
use crate::domain::time::UnixMillis;
use crate::domain::token::LONGEST_TOKEN;
use crate::operations::audit_log::{AuditLog, LogIdentity, LogParts};
use crate::operations::end_job::{CloseJob, Progress};
use crate::operations::gate::{Caller, HolderClaim};
use crate::operations::heartbeat::{Greeted, Hello};
use crate::operations::issue::{IssueMore, IssuedMore};
use crate::operations::open_job::{OpenJob, OpenedJob};
use crate::operations::renew::{Renew, RenewedLease};
use crate::operations::{Operations, Parts, Settings};
use crate::ports::clock::Clock;
use crate::ports::clock::fake::FakeClock;
use crate::ports::log_files::fake::FilesInMemory;
use crate::ports::random::Random;
use crate::ports::random::fake::CountingRandom;
use crate::ports::store::jobs::JobStore;

const NOW: UnixMillis = UnixMillis::new(1_700_000_000_000);
const MINUTE: Duration = Duration::from_secs(60);
const LIMIT: Duration = Duration::from_secs(30);
const AUDIT_ORIGIN: &str = "taskpass.acme.example/audit";
const ISSUER: &str = "https://taskpass.acme.example";
const CI: &str = "spiffe://acme.example/ci/docs";
const VERIFIER: &str = "spiffe://acme.example/docs-api";
const OTHER_VERIFIER: &str = "spiffe://acme.example/tickets-api";

const INSTALLATION: &str = r#"
max_ttl = "1h"
max_duration = "8h"
[issuer.local]
kind = "jwt"
"#;

const POLICY: &str = r#"
[task.deploy-docs]
owner = "docs-platform@acme.example"
purpose = "publish the documentation site"
max_duration = "8h"

[[task.deploy-docs.grant]]
workload = "spiffe://acme.example/ci/*"
credentials = ["docs-api"]

[credential.docs-api]
issuer = "local"
audience = "docs"
scopes = ["docs:read"]
ttl = "10m"
environment = "any"

[audience.docs]
uri = "https://docs.acme.example"
verifiers = ["spiffe://acme.example/docs-api"]

[audience.tickets]
uri = "https://tickets.acme.example"
verifiers = ["spiffe://acme.example/tickets-api"]
"#;

/// A broker without its listeners.
struct Bench {
    clock: FakeClock,
    store: Arc<SqliteStore>,
    keys: Arc<KeySet>,
    files: Arc<FilesInMemory>,
    random: Arc<dyn Random>,
    operations: Arc<Operations>,
    folder: TempDir,
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = FakeClock::at(NOW);
        let random: Arc<dyn Random> = Arc::new(CountingRandom::default());
        let facts = InstallationFacts {
            issuer: ISSUER.into(),
            spiffe_id: "spiffe://acme.example/broker".into(),
            audit_origin: AUDIT_ORIGIN.into(),
        };
        let store = folder.path().join("taskpass.db");
        let store = Arc::new(SqliteStore::open(&store, &facts, Arc::clone(&random)).unwrap());
        let schedule = KeySchedule {
            signing_period: Duration::from_secs(90 * 24 * 3600),
            published_before: Duration::from_secs(3600),
            published_after: LONGEST_TOKEN,
        };
        let sealer = SealingKey::new("k1".into(), &[7; 32]).unwrap();
        let sealer = Sealer::new(vec![sealer]).unwrap();
        let keys = KeySet::open(Arc::clone(&store) as _, sealer, b"epoch", schedule, NOW).await;
        let keys = Arc::new(keys.unwrap());
        keys.keep_up(&BTreeSet::new(), NOW).await.unwrap();
        let files = Arc::new(FilesInMemory::default());
        let parts = parts(&clock, (&store, &keys, &files), &random);
        let this = Self {
            operations: Arc::new(Operations::new(parts).unwrap()),
            clock,
            store,
            keys,
            files,
            random,
            folder,
        };
        this.install(POLICY).await;
        this
    }

    /// As after a start, with this as its issuer.
    async fn restart_as(&mut self, issuer: &str) {
        let mut parts = parts(
            &self.clock,
            (&self.store, &self.keys, &self.files),
            &self.random,
        );
        parts.settings.issuer = issuer.into();
        self.operations = Arc::new(Operations::new(parts).unwrap());
        self.install(POLICY).await;
    }

    async fn install(&self, policy: &str) {
        self.install_with(policy, INSTALLATION).await;
    }

    async fn install_with(&self, policy: &str, installation: &str) {
        let installation = SourceFile::new("installation.toml", installation.as_bytes());
        let installation = Installation::parse(&installation).unwrap();
        let files = [SourceFile::new("policy.toml", policy.as_bytes())];
        let policy = Policy::compile(&files, &installation).unwrap();
        self.operations.install_policy(policy).await.unwrap();
    }

    async fn open(&self) -> Result<OpenedJob, Refusal> {
        self.open_with_id(JobId::new(self.clock.now().as_millis(), [3; 10]))
            .await
    }

    async fn open_with_id(&self, job: JobId) -> Result<OpenedJob, Refusal> {
        let request = request(job);
        self.operations.open_job(&caller(CI), request).await
    }

    async fn renew(&self, job: JobId, generation: u32) -> Result<RenewedLease, Refusal> {
        let request = Renew {
            lease: taskpass_proto::ids::LeaseId::new(job, 1),
            holder: holder(),
            generation,
            bind_to: None,
        };
        self.operations.renew(&caller(CI), request).await
    }

    async fn issue(&self, job: JobId, holder: HolderClaim) -> Result<IssuedMore, Refusal> {
        let request = IssueMore {
            job,
            holder,
            wanted: vec![],
            bindings: Bindings::default(),
        };
        self.operations.issue(&caller(CI), request).await
    }

    async fn close(&self, job: JobId, holder: HolderClaim) -> Result<Progress, Refusal> {
        let request = CloseJob {
            job,
            holder,
            cause: Cause::JobClosed,
            exit_status: None,
        };
        self.operations.close_job(&caller(CI), &request).await
    }

    async fn greet(&self, holder: HolderClaim, live_jobs: Vec<JobId>) -> Result<Greeted, Refusal> {
        let hello = Hello {
            holder,
            live_jobs,
            host: "node-1".into(),
        };
        self.operations.greet(&caller(CI), hello).await
    }

    /// Why a job has ended.
    fn cause(&self, job: JobId) -> Option<Cause> {
        let known = self.store.job(job).unwrap().unwrap();
        known.job.ended().map(|end| end.cause)
    }

    fn is_active(&self, token: &str) -> bool {
        self.is_active_for(VERIFIER, token)
    }

    fn is_active_for(&self, verifier: &str, token: &str) -> bool {
        let found = self.operations.introspect(&caller(verifier), token);
        found.unwrap().is_some()
    }
}

fn caller(id: &str) -> Caller {
    Caller {
        subject: id.parse().unwrap(),
        certificate: Thumbprint::new([1; 32]),
    }
}

fn holder() -> HolderClaim {
    holder_of(9, 1)
}

fn holder_of(secret: u8, incarnation: u64) -> HolderClaim {
    HolderClaim {
        secret: HolderSecret::from_bytes(&[secret; 32]).unwrap(),
        incarnation,
    }
}

fn request(job: JobId) -> OpenJob {
    OpenJob {
        job,
        holder: holder(),
        task: "deploy-docs".into(),
        parameters: BTreeMap::new(),
        wanted: vec![],
        bindings: Bindings::default(),
        liveness: Liveness::Heartbeat,
        anchor: Anchor::Process,
        max_duration: None,
        reported: None,
    }
}

fn reason<T>(outcome: Result<T, Refusal>) -> Option<Reason> {
    outcome.err().map(|refusal| refusal.reason)
}

fn parts(
    clock: &FakeClock,
    (store, keys, files): (&Arc<SqliteStore>, &Arc<KeySet>, &Arc<FilesInMemory>),
    random: &Arc<dyn Random>,
) -> Parts {
    let pem = AuditKey::new_pem(random.as_ref()).unwrap();
    let audit_log = AuditLog::new(LogParts {
        store: Arc::clone(store) as _,
        files: Arc::clone(files) as _,
        clock: Arc::new(clock.clone()),
        identity: LogIdentity {
            origin: AUDIT_ORIGIN.into(),
            epoch: vec![7; 16],
            signer: Ok(Arc::new(AuditKey::from_pem(pem.as_bytes()).unwrap())),
        },
    });
    Parts {
        store: Arc::clone(store) as _,
        clock: Arc::new(clock.clone()) as Arc<dyn Clock>,
        random: Arc::clone(random),
        signer: Arc::clone(keys) as _,
        reader: Arc::clone(keys) as _,
        audit_log: Arc::new(audit_log),
        settings: Settings {
            issuer: ISSUER.into(),
            rhythm: Rhythm {
                interval: Duration::from_secs(10),
                limit: LIMIT,
            },
            retention: Duration::from_secs(7 * 24 * 3600),
            epoch: vec![7; 16],
        },
    }
}
