//! `taskpass bench`: what the broker costs, beside the floors of this machine, measured in one run.
//!
//! - [`agent`]: what an agent costs on its node
//! - [`caller`]: a workload that calls the broker
//! - [`floors`]: what nothing on this machine can be faster than
//! - [`load`]: many calls at once, and what they cost
//! - [`audit`]: what the Merkle log costs
//! - [`refusing`]: how long a token passes after its end
//! - [`policy`]: what a large policy costs
//! - [`figures`]: what came out

mod agent;
pub(crate) mod audit;
mod caller;
pub(crate) mod figures;
mod floors;
mod load;
pub(crate) mod policy;
mod refusing;

use std::fs::File;
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::agent::AgentProcess;
use self::caller::Caller;
use self::figures::{Figure, Figures};
use self::load::{Load, Process};
use crate::stage::files::BrokerFile;
use crate::stage::{Ports, Stage, StageError};

const POLICY: &str = r#"
[task.bench]
owner = "bench@acme.example"
purpose = "measure"
max_duration = "1h"
[[task.bench.grant]]
workload = "spiffe://acme.example/bench/**"
credentials = ["token"]
max_live_jobs = 1000000
[credential.token]
issuer = "local"
audience = "bench"
scopes = ["bench:run"]
ttl = "10m"
environment = "any"
[audience.bench]
uri = "https://bench.acme.example"
verifiers = ["spiffe://acme.example/bench/verifier"]
"#;

const FACTS: &str = r#"
max_ttl = "1h"
max_duration = "8h"
[issuer.local]
kind = "jwt"
"#;

/// Where the tokens are good.
const AUDIENCE: &str = "https://bench.acme.example";

/// Calls that are under way at once, for the figures about load.
const AT_ONCE: usize = 64;

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// The folder could not be set up.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// The machine.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A call failed.
    #[error("a call failed: {0}")]
    Call(Box<tonic::Status>),
    /// Anything else.
    #[error("{0}")]
    Said(String),
}

impl From<tonic::Status> for BenchError {
    fn from(status: tonic::Status) -> Self {
        Self::Call(Box::new(status))
    }
}

impl From<taskpass_identity::spiffe_id::InvalidSpiffeId> for BenchError {
    fn from(error: taskpass_identity::spiffe_id::InvalidSpiffeId) -> Self {
        Self::Stage(error.into())
    }
}

/// Measures for about `seconds` a figure, telling `progress` what comes next.
pub(crate) async fn run(
    seconds: u64,
    mut progress: impl FnMut(&str),
) -> Result<Figures, BenchError> {
    let each = Duration::from_secs(seconds);
    let folder = tempfile::Builder::new()
        .prefix("taskpass-bench-")
        .tempdir()?;
    let stage = Stage::open(folder.path())?;
    stage.write_policy(POLICY, FACTS)?;
    let mut broker = Broker::start(&stage, "").await?;
    let process = Process::of(broker.child.id());
    let identity = caller::identity(&stage, "bench/job")?;
    let verifier = caller::identity(&stage, "bench/verifier")?;
    let mut figures = Figures::default();

    progress("floors: an empty call, a durable write, a signature");
    let mut one = Caller::connect(broker.ports.workload, &identity)?;
    let empty = load::one_by_one(each, async || one.empty().await).await?;
    let durable = floors::durable_append(folder.path(), each)?;
    let signature = floors::signature(each)?;
    let floor = empty.p50 + durable + signature;
    figures.add(Figure::time("empty mTLS call, 1 in flight, p50", empty.p50));
    figures.add(Figure::time("durable append of 4 KiB, p50", durable));
    figures.add(Figure::time("ES256 signature, p50", signature));

    progress("OpenJob, one in flight");
    let mut one = Caller::connect(broker.ports.workload, &identity)?;
    let open = load::one_by_one(each, async || one.open().await.map(drop)).await?;
    figures.add(Figure::time(
        "OpenJob (durable), 1 in flight, p50",
        open.p50,
    ));
    figures.add(Figure::time(
        "OpenJob (durable), 1 in flight, p99",
        open.p99,
    ));
    let ratio = open.p50.as_secs_f64() / floor.as_secs_f64();
    figures.add(Figure::ratio(
        "OpenJob ÷ (empty call + append + signature)",
        ratio,
    ));

    progress("64 in flight: empty calls, OpenJob, OpenJob and CloseJob, Renew, Introspect");
    let callers = Caller::many(AT_ONCE, broker.ports.workload, &identity)?;
    let load = Load {
        each,
        process,
        callers,
    };
    let empty = load
        .run(|mut caller| async move { caller.empty().await })
        .await?;
    figures.add_load("empty call", &empty);
    let open = load
        .run(|mut caller| async move { caller.open().await.map(drop) })
        .await?;
    figures.add_load("OpenJob (durable)", &open);
    let both = load.run(|mut caller| async move {
        let job = caller.open().await?.job_id;
        caller.close(&job).await
    });
    figures.add_load("OpenJob + CloseJob", &both.await?);
    let renew = load.renewals().await?;
    figures.add_load("Renew (durable)", &renew);
    let token = Arc::new(one.open().await?);
    let secret = token
        .credentials
        .first()
        .map(|c| String::from_utf8_lossy(&c.secret).into_owned());
    let secret = secret.ok_or_else(|| BenchError::Said("no token was issued".into()))?;
    let verifiers = Caller::many(AT_ONCE, broker.ports.workload, &verifier)?;
    let load = Load {
        each,
        process,
        callers: verifiers,
    };
    let introspect = load.run(move |mut caller| {
        let secret = secret.clone();
        async move { caller.introspect(&secret).await }
    });
    figures.add_load("Introspect, a token seen before", &introspect.await?);

    progress("memory of an agent with 100 jobs");
    let agent = AgentProcess::start(&stage, broker.ports.workload).await?;
    figures.add(Figure::bytes(
        "agent's resident memory, no job",
        agent.resident_bytes_with(0).await?,
    ));
    figures.add(Figure::bytes(
        "agent's resident memory, 100 jobs",
        agent.resident_bytes_with(100).await?,
    ));
    drop(agent);

    progress("revoked → refused, exit → refused: at a verifier with the stream of revocations");
    let server = refusing::Server::start(broker.ports, &verifier).await?;
    let closed = server.closed(&mut one, each).await?;
    figures.add_passes("revoked → refused through the stream", &closed);
    let node = refusing::Node::start(&stage, broker.ports.workload).await?;
    let exited = server.exited(&node).await?;
    figures.add_passes("exit → refused through agent and stream", &exited);
    drop((server, node));

    progress("memory with 10,000 live jobs");
    let fresh = one.open_until(10_000).await?;
    figures.add(Figure::count("live jobs", fresh));
    figures.add(Figure::bytes(
        "broker's resident memory",
        process.resident_bytes()?,
    ));
    broker.stop();

    progress("OpenJob with and without the Merkle log, in turns");
    audit::sequencing(each, &mut figures).await?;
    Ok(figures)
}

/// The broker under test, a process of its own so that its costs can be told from ours.
struct Broker {
    child: Child,
    ports: Ports,
}

impl Broker {
    #[allow(clippy::disallowed_methods, reason = "waits for a process to come up")]
    async fn start(stage: &Stage, more: &str) -> Result<Self, BenchError> {
        let ports = Ports::free()?;
        let config = stage.write_broker(&BrokerFile {
            ports,
            admin_socket: "admin.sock",
            heartbeat: Duration::from_secs(300),
            limit: Duration::from_secs(900),
            calls_per_second: 1_000_000,
        })?;
        let mut file = File::options().append(true).open(&config)?;
        file.write_all(more.as_bytes())?;
        let log = File::create(stage.folder().join("broker.log"))?;
        let child = Command::new(std::env::current_exe()?)
            .arg("broker")
            .arg("--config")
            .arg(config)
            .args(["--log", "warn"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        let broker = Self { child, ports };
        let identity = caller::identity(stage, "bench/job")?;
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(20) {
            let mut caller = Caller::connect(ports.workload, &identity)?;
            if caller.empty().await.is_ok() {
                return Ok(broker);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let log = std::fs::read_to_string(stage.folder().join("broker.log"));
        Err(BenchError::Said(format!(
            "the broker did not come up: {}",
            log.unwrap_or_default()
        )))
    }

    fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop();
    }
}
