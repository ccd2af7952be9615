//! Puts the agent together, serves, and takes it apart again.

use std::io;
use std::sync::Arc;

use rustls::time_provider::DefaultTimeProvider;
use taskpass_identity::SpiffeId;
use taskpass_identity::source::origin::{Ground, open_bundles};
use taskpass_identity::source::workload_api::PATIENCE;
use taskpass_identity::tls::TlsIdentity;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinSet, spawn_blocking};
use tokio_util::sync::CancellationToken;

use crate::broker::grpc::GrpcBroker;
use crate::broker::live_jobs::LiveJobs;
use crate::broker::session::{Session, SessionStatus};
use crate::callers::peer::check_kernel;
use crate::clock::{Clock, SystemClock};
use crate::config::{AgentConfig, BrokerConfig};
use crate::error::AgentError;
use crate::hand_over::upgrade::{Relaunch, Upgrades};
use crate::job::keeper::{Keeper, Parts};
use crate::journal::Writer;
use crate::local_api::routes::Local;
use crate::random::Random;
use crate::running::Standing;
use crate::service::Service;
use crate::start::Start;
use crate::status::{IdentityParts, NodeStatus};

/// Ends that the broker tells of and that wait to be looked at.
const TOLD: usize = 1024;
/// Operators and successors that wait to be heard.
const ASKS: usize = 4;

/// How an agent starts, and how its successor would.
#[derive(Debug, Default)]
pub struct Role {
    /// Whether it takes over from the agent that runs with the same state.
    pub takes_over: bool,
    /// How it is started anew when an upgrade is asked for; without it none can be.
    pub relaunch: Option<Relaunch>,
}

/// Runs an agent until `shutdown`; tells `ready` once local callers are answered.
///
/// A stop closes every job: nobody would renew what they hold.
pub async fn serve(
    config: AgentConfig,
    shutdown: CancellationToken,
    ready: oneshot::Sender<()>,
) -> Result<(), AgentError> {
    serve_as(Role::default(), config, shutdown, ready).await
}

/// The same in a role. It also ends, closing nothing, once a successor has taken over.
pub async fn serve_as(
    role: Role,
    config: AgentConfig,
    shutdown: CancellationToken,
    ready: oneshot::Sender<()>,
) -> Result<(), AgentError> {
    let mapping = config.mapping()?;
    check_kernel().map_err(AgentError::Kernel)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let random = Random::default();
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();

    let time = Arc::new(DefaultTimeProvider);
    let mut ground = Ground {
        time: Arc::clone(&time) as _,
        patience: PATIENCE,
        tasks: &mut tasks,
        stop: stop.clone(),
    };
    let bundles = open_bundles(&config.bundle_origins(), &mut ground).await?;
    let (mut identities, mut parts) = (Vec::new(), Vec::new());
    for identity in &config.identities {
        let svids = identity.svid.open(&mut ground).await?;
        identities.push(TlsIdentity {
            svids: Arc::clone(&svids),
            bundles: Arc::clone(&bundles),
            time: Arc::clone(&time) as _,
        });
        refuse_a_second(&parts, svids.current().id())?;
        parts.push(IdentityParts {
            svids,
            remedy: identity.svid.remedy(),
            session: Arc::new(SessionStatus::default()),
        });
    }
    let BrokerConfig {
        address, spiffe_id, ..
    } = &config.broker;
    let broker = Arc::new(GrpcBroker::new(address, spiffe_id, &identities)?);

    // Everything that can fail has been tried; only now an agent that runs is asked to stand still.
    let start = if role.takes_over {
        Start::in_place(&config, &random).await?
    } else {
        Start::alone(&config, &random)?
    };
    let Start {
        holder,
        journal,
        found,
        listener,
        asks,
        claim,
    } = start;
    if let Some(claim) = claim {
        let taken = spawn_blocking(move || claim.take()).await;
        taken
            .map_err(|bug| io::Error::other(bug).into())
            .and_then(|taken| taken)
            .map_err(AgentError::NotHandedOver)?;
        asks.publish();
        tracing::info!("took over from the agent before");
    }
    let (writer, journal) = Writer::new(journal);
    let mut writing = JoinSet::new();
    writing.spawn_blocking(move || writer.run());

    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let live: Vec<Arc<LiveJobs>> = parts.iter().map(|_| Arc::default()).collect();
    let names = parts
        .iter()
        .map(|identity| identity.svids.current().id().to_string());
    let (told_by, told) = mpsc::channel(TOLD);
    let (keeper, jobs) = Keeper::new(
        Parts {
            broker: Arc::clone(&broker) as _,
            holder: holder.to_wire(),
            identities: names.zip(live.iter().cloned()).collect(),
            journal: journal.clone(),
            clock: Arc::clone(&clock),
            random: random.clone(),
            host: host.clone(),
            max_jobs_per_uid: config.limits.live_jobs_per_uid,
        },
        found,
        told,
    );
    let mut sessions = JoinSet::new();
    for (identity, live) in live.into_iter().enumerate() {
        let status = parts.get(identity).map(|parts| Arc::clone(&parts.session));
        let session = Session {
            identity,
            broker: Arc::clone(&broker),
            holder: holder.to_wire(),
            live,
            host: host.clone(),
            random: random.clone(),
            status: status.unwrap_or_default(),
            ended: told_by.clone(),
        };
        sessions.spawn(session.run(stop.clone()));
    }

    let local = Local {
        jobs,
        callers: Arc::new(mapping),
        clock: Arc::clone(&clock),
        status: Arc::new(NodeStatus {
            broker_address: address.clone(),
            broker_id: spiffe_id.to_string(),
            socket: config.socket.path.display().to_string(),
            host,
            started_at_millis: clock.unix_millis(),
            identities: parts,
            bundles,
            clock,
        }),
        leaving: CancellationToken::new(),
    };
    let (asked_by, asked) = mpsc::channel(ASKS);
    tasks.spawn(asks.serve(asked_by));
    let service = Service {
        local,
        journal,
        holder: &holder,
        asked,
        upgrades: Upgrades::new(role.relaunch),
        sessions: &mut sessions,
    };
    tracing::info!(agent.socket = %config.socket.path.display(), "agent serves");
    let outcome = service
        .run(Standing { listener, keeper }, shutdown, ready)
        .await;
    stop.cancel();
    sessions.shutdown().await;
    tasks.shutdown().await;
    // Nobody can say anything any more: what was said is written, and the writer ends.
    writing.join_all().await;
    drop(holder);
    outcome
}

/// Two sessions of one workload would each announce half of its jobs, and the broker would end the others.
fn refuse_a_second(parts: &[IdentityParts], id: &SpiffeId) -> Result<(), AgentError> {
    let same = |parts: &IdentityParts| parts.svids.current().id() == id;
    match parts.iter().position(same) {
        Some(first) => Err(AgentError::SameWorkload {
            id: id.clone(),
            first: first + 1,
            second: parts.len() + 1,
        }),
        None => Ok(()),
    }
}
