//! Puts the agent together, serves, and takes it apart again.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::time_provider::DefaultTimeProvider;
use taskpass_identity::source::files::{self, SvidPaths};
use taskpass_identity::tls::TlsIdentity;
use taskpass_identity::{SpiffeId, SvidSource};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::broker::grpc::GrpcBroker;
use crate::broker::live_jobs::LiveJobs;
use crate::broker::session::{Session, SessionStatus};
use crate::callers::peer::check_kernel;
use crate::clock::{Clock, SystemClock};
use crate::config::{AgentConfig, BrokerConfig};
use crate::error::AgentError;
use crate::holder::{Holder, HolderError};
use crate::job::keeper::{Keeper, Parts};
use crate::journal::{JournalFile, Writer};
use crate::local_api::listener::LocalListener;
use crate::local_api::routes::{self, Local};
use crate::random::Random;
use crate::status::{IdentityParts, NodeStatus};

/// How long a stop waits for the broker to confirm the ends of all jobs.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// Ends that the broker tells of and that wait to be looked at.
const TOLD: usize = 1024;

/// Runs an agent until `shutdown`; tells `ready` once local callers are answered.
///
/// A stop closes every job: nobody would renew what they hold.
pub async fn serve(
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
    let (bundles, reloader) = files::bundles(bundle(&config))?;
    tasks.spawn(reloader.run(stop.clone()));
    let (mut identities, mut parts) = (Vec::new(), Vec::new());
    for identity in &config.identities {
        let paths = SvidPaths {
            certificate: identity.certificate.clone(),
            private_key: identity.key.clone(),
        };
        let (svids, reloader) = files::svid(paths, Arc::clone(&time) as _)?;
        tasks.spawn(reloader.run(stop.clone()));
        identities.push(TlsIdentity {
            svids: Arc::new(svids.clone()),
            bundles: Arc::new(bundles.clone()),
            time: Arc::clone(&time) as _,
        });
        refuse_a_second(&parts, svids.current().id())?;
        parts.push(IdentityParts {
            svids,
            session: Arc::new(SessionStatus::default()),
        });
    }
    let BrokerConfig {
        address, spiffe_id, ..
    } = &config.broker;
    let broker = Arc::new(GrpcBroker::new(address, spiffe_id, &identities)?);

    // From here on the agent is a new start of its holder.
    let holder = Holder::start(&config.state, &random).map_err(state_error)?;
    let (file, remembered) =
        JournalFile::open(&config.state).map_err(|error| AgentError::State {
            path: config.state.clone(),
            why: format!("the journal: {error}"),
        })?;
    let (writer, journal) = Writer::new(file);
    let mut writing = JoinSet::new();
    writing.spawn_blocking(move || writer.run());
    let listener = LocalListener::bind(&config.socket, config.limits.connections)
        .map_err(|error| socket_error(&config.socket.path, &error))?;

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
            journal,
            clock: Arc::clone(&clock),
            random: random.clone(),
            host: host.clone(),
            max_jobs_per_uid: config.limits.live_jobs_per_uid,
        },
        remembered,
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
    tasks.spawn(keeper.run());

    let local = Local {
        jobs: jobs.clone(),
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
    };
    let accepting = CancellationToken::new();
    let local_socket = listener.serve(routes::router(local), jobs.clone(), accepting.clone());
    let mut faces = JoinSet::new();
    faces.spawn(local_socket);
    tracing::info!(agent.socket = %config.socket.path.display(), "agent serves");
    let _ = ready.send(());

    let outcome = tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        Some(Ok(Err(_))) = sessions.join_next() => {
            Err(AgentError::Superseded(config.state.clone()))
        }
    };
    tracing::info!("agent stops");
    accepting.cancel();
    faces.join_all().await;
    if outcome.is_ok() {
        jobs.close_all(STOP_PATIENCE).await;
    }
    stop.cancel();
    sessions.shutdown().await;
    drop(jobs);
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

fn bundle(
    config: &AgentConfig,
) -> std::collections::BTreeMap<taskpass_identity::TrustDomain, PathBuf> {
    let BrokerConfig {
        spiffe_id, bundle, ..
    } = &config.broker;
    [(spiffe_id.trust_domain().clone(), bundle.clone())].into()
}

fn state_error(error: HolderError) -> AgentError {
    match error {
        HolderError::InUse(path) => AgentError::StateInUse(path),
        HolderError::Random(_) => AgentError::Random,
        HolderError::OpenToOthers { path, mode } => AgentError::State {
            path,
            why: format!("others may enter it (mode {mode:04o}); run `chmod 0700` on it"),
        },
        HolderError::Damaged(path) => {
            let why = "it is damaged; remove it, and the jobs of this agent end by themselves";
            AgentError::State {
                path,
                why: why.to_owned(),
            }
        }
        HolderError::State { path, source } => AgentError::State {
            path,
            why: source.to_string(),
        },
    }
}

fn socket_error(path: &Path, error: &io::Error) -> AgentError {
    let path = path.to_owned();
    match error.kind() {
        io::ErrorKind::AddrInUse => AgentError::SocketInUse(path),
        _ => AgentError::Socket {
            path,
            why: error.to_string(),
        },
    }
}
