//! `taskpass dev`: broker, agent and a certificate authority in one process, for the laptop.
//!
//! Real mutual TLS, a real store that survives, real policy files that reload; no root token, nothing to
//! unseal. Everything lies in one folder that is private to its owner.
//!
//! - [`folder`]: taken by one process at a time, before anything is written
//! - [`sample`]: the policy to begin with
//! - [`workload_api`]: SVIDs for other SPIFFE programs

mod folder;
mod sample;
mod workload_api;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use taskpass_agent::config::AgentConfig;
use taskpass_broker::config::BrokerConfig;
use taskpass_identity::SpiffeId;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use crate::stage::files::{AgentFile, BrokerFile};
use crate::stage::{self, Ports, Stage, StageError};

pub(crate) use folder::Folder;
use workload_api::{DevWorkloadApi, Told};

/// The agent's name: of its socket, its files and its state.
const AGENT: &str = "agent";

/// What `taskpass dev` was asked for.
#[derive(Debug)]
pub(crate) struct Options {
    /// The folder that everything lies in.
    pub(crate) folder: Folder,
    /// The workloads that local callers are: the agent speaks for the first, the Workload API knows all.
    pub(crate) workloads: Vec<SpiffeId>,
    /// How long SVIDs live.
    pub(crate) svid_ttl: Duration,
    /// Where the broker listens.
    pub(crate) ports: Ports,
}

/// Why it did not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DevError {
    /// The folder could not be set up.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// A name that this program made up is none.
    #[error(transparent)]
    Id(#[from] taskpass_identity::spiffe_id::InvalidSpiffeId),
    /// No workload at all.
    #[error("name at least one workload: `--workload ci/docs`")]
    NoWorkload,
    /// A configuration that it wrote itself, or that was edited since.
    #[error(transparent)]
    BrokerConfig(#[from] taskpass_broker::config::ConfigError),
    /// See above.
    #[error(transparent)]
    AgentConfig(#[from] taskpass_agent::config::ConfigError),
    /// The broker.
    #[error("the broker: {0}")]
    Broker(#[from] taskpass_broker::StartError),
    /// The agent.
    #[error("the agent: {0}")]
    Agent(#[from] taskpass_agent::AgentError),
}

/// Where everything is, for the greeting.
#[derive(Debug, Clone)]
pub(crate) struct Running {
    /// The agent's socket.
    pub(crate) agent_socket: PathBuf,
    /// The operator's socket.
    pub(crate) admin_socket: PathBuf,
    /// The socket of the SPIFFE Workload API.
    pub(crate) workload_api: PathBuf,
    /// The policy directory.
    pub(crate) policy: PathBuf,
    /// Who local callers are.
    pub(crate) workload: SpiffeId,
    /// Where the broker listens.
    pub(crate) ports: Ports,
}

/// Runs until `shutdown`; calls `greet` once everything is up.
pub(crate) async fn run(
    options: Options,
    shutdown: CancellationToken,
    greet: impl FnOnce(&Running),
) -> Result<(), DevError> {
    let Options {
        folder,
        workloads,
        svid_ttl,
        ports,
    } = options;
    let mut stage = Stage::open(folder.path())?;
    stage.authority.svid_lifetime = svid_ttl;
    let workload = workloads.first().ok_or(DevError::NoWorkload)?;
    sample::write(&stage, workload)?;
    let (broker, agent, running) = configure(&stage, workload, ports)?;
    let first = workload_api::issue(&stage.authority, &workloads)?;
    let (api, told) = DevWorkloadApi::bind(stage.folder(), first)?;

    let mut parts: JoinSet<Result<(), DevError>> = JoinSet::new();
    let stop = shutdown.clone();
    parts.spawn(async move {
        api.serve(stop).await;
        Ok(())
    });
    let (ready, bound) = oneshot::channel();
    let stop = shutdown.clone();
    parts.spawn(async move { Ok(taskpass_broker::serve(broker, stop, ready).await?) });
    if bound.await.is_ok() {
        let (ready, up) = oneshot::channel();
        let stop = shutdown.clone();
        parts.spawn(async move { Ok(taskpass_agent::serve(agent, stop, ready).await?) });
        if up.await.is_ok() {
            greet(&running);
        }
    }
    let stop = shutdown.clone();
    parts.spawn(async move { keep_svids_fresh(&stage, &workloads, &told, &stop).await });

    // The first part that ends, for whatever reason, takes the others along.
    let mut outcome = Ok(());
    while let Some(ended) = parts.join_next().await {
        shutdown.cancel();
        if let (Ok(Err(error)), Ok(())) = (ended, &outcome) {
            outcome = Err(error);
        }
    }
    outcome
}

/// Fixed ports, as a real broker has them.
pub(crate) fn ports() -> Ports {
    let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    Ports {
        workload: local(8440),
        public: local(8443),
        operations: local(9440),
    }
}

fn configure(
    stage: &Stage,
    workload: &SpiffeId,
    ports: Ports,
) -> Result<(BrokerConfig, AgentConfig, Running), DevError> {
    let broker = stage.write_broker(&BrokerFile {
        ports,
        admin_socket: "admin.sock",
        heartbeat: Duration::from_secs(5),
        limit: Duration::from_secs(15),
        calls_per_second: 200,
    })?;
    let uid = rustix::process::geteuid().as_raw();
    let agent = stage.write_agent(&AgentFile {
        name: AGENT,
        workload,
        uid,
        broker: ports.workload,
    })?;
    let folder: &Path = stage.folder();
    let running = Running {
        agent_socket: folder.join(format!("{AGENT}.sock")),
        admin_socket: folder.join("admin.sock"),
        workload_api: workload_api::name(folder),
        policy: folder.join("policy"),
        workload: workload.clone(),
        ports,
    };
    Ok((
        BrokerConfig::load(&broker)?,
        AgentConfig::load(&agent)?,
        running,
    ))
}

/// Rotates the SVIDs at half their life, as SPIRE does.
async fn keep_svids_fresh(
    stage: &Stage,
    workloads: &[SpiffeId],
    told: &Told,
    shutdown: &CancellationToken,
) -> Result<(), DevError> {
    let mut ticks = interval(stage.authority.svid_lifetime / 2);
    ticks.tick().await;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = shutdown.cancelled() => return Ok(()),
        }
        stage
            .authority
            .issue(&stage.svid_files("broker"), &stage::broker_id()?)?;
        if let Some(workload) = workloads.first() {
            stage.authority.issue(&stage.svid_files(AGENT), workload)?;
        }
        told.tell(workload_api::issue(&stage.authority, workloads)?);
    }
}
