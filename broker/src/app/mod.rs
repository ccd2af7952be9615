//! Puts the broker together, serves, and takes it apart again.
//!
//! - [`serve`]: from a configuration to a running broker
//! - [`check`]: looks at everything that a configuration names, and changes nothing
//! - [`workload_listener`], [`admin_listener`]: the two faces that know their callers
//! - `plain_listener`: the two that know nobody
//! - [`places`]: how many connections a workload may have
//! - [`audit`]: the audit log
//! - [`connection`], [`health`], [`policy_source`], [`background`]: what lives as long as the broker

pub mod admin_listener;
mod audit;
pub mod background;
pub mod check;
pub mod connection;
pub mod health;
mod metric_catalogue;
mod metrics;
mod own_identity;
pub mod places;
mod plain_listener;
pub mod policy_source;
mod routes;
mod store;
pub mod workload_listener;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use taskpass_identity::source::origin::OriginError;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::admin_listener::AdminListener;
use self::connection::Shutdown;
use self::health::Health;
use self::own_identity::OwnIdentity;
use self::policy_source::PolicySource;
use self::workload_listener::WorkloadListener;
use crate::adapters::clock::SystemClock;
use crate::adapters::keys::key_set::{KeySet, KeySetError};
use crate::adapters::keys::sealing::SealingError;
use crate::adapters::random::SystemSource;
use crate::adapters::store::sqlite::{InstallationFacts, OpenError};
use crate::config::{BrokerConfig, ConfigError};
use crate::domain::audit::{Event, Record};
use crate::domain::key_schedule::KeySchedule;
use crate::domain::session::Rhythm;
use crate::domain::time::UnixMillis;
use crate::domain::token::LONGEST_TOKEN;
use crate::grpc::admin::{self, AdminService, Identity};
use crate::grpc::broker_service::BrokerService;
use crate::http::discovery::{self, Published};
use crate::operations::gate::{CallQuota, Gate};
use crate::operations::{Operations, Parts, Settings};
use crate::ports::clock::Clock;
use crate::ports::random::Random;
use crate::ports::store::keys::KeyStore;
use crate::ports::store::{Store, StoreError};

/// Readiness goes this long before anything else does, so that nobody new is sent here.
const DRAIN_BEFORE_CLOSING: Duration = Duration::from_millis(500);

/// Where a broker came to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// Workloads.
    pub workload: SocketAddr,
    /// Discovery and the key set.
    pub public: Option<SocketAddr>,
    /// Health and metrics.
    pub operations: Option<SocketAddr>,
    /// Operators.
    pub admin: PathBuf,
}

/// The broker did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A configured value or file cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The SVID or a bundle cannot be had.
    #[error(transparent)]
    Identity(#[from] OriginError),
    /// The SVID is not the broker's.
    #[error(
        "the SVID of {origin} is that of `{found}`, and `spiffe_id` says `{expected}`; clients insist on the latter"
    )]
    OtherSvid {
        /// Where it comes from.
        origin: String,
        /// Whose it is.
        found: String,
        /// Whose it should be.
        expected: String,
    },
    /// The SVID cannot serve TLS.
    #[error("the SVID cannot be used for TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The sealing keys cannot be used.
    #[error(transparent)]
    Sealing(#[from] SealingError),
    /// The signing keys cannot be had.
    #[error(transparent)]
    Keys(#[from] KeySetError),
    /// An address or socket cannot be had.
    #[error("cannot listen on `{place}`: {source}")]
    Listen {
        /// The address or path.
        place: String,
        /// Why.
        source: io::Error,
    },
}

/// Runs a broker until `shutdown`; tells `ready` where it listens once it serves.
pub async fn serve(
    config: BrokerConfig,
    shutdown: CancellationToken,
    ready: oneshot::Sender<Bound>,
) -> Result<(), StartError> {
    let metrics = metrics::install();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let random: Arc<dyn Random> = Arc::new(SystemSource::default());
    let mut tasks = JoinSet::new();
    let stop = CancellationToken::new();

    let identity = OwnIdentity::open(&config, &mut tasks, &stop).await?;
    let facts = InstallationFacts {
        issuer: config.issuer.clone(),
        spiffe_id: config.spiffe_id.to_string(),
        audit_origin: audit_origin(&config.issuer),
    };
    let opened = store::open(&config, &facts, clock.as_ref(), Arc::clone(&random)).await?;
    let store = opened.store;
    let shared = audit::Shared {
        store: &store,
        clock: &clock,
        random: random.as_ref(),
        origin: facts.audit_origin.clone(),
        epoch: opened.epoch.clone(),
    };
    let (audit_log, audit_files) = audit::open(&config, shared)?;
    // Whether the store fits its log is known before anything is added to it.
    audit_log.sequence().await;
    let keys = Arc::new(open_keys(&config, &store, &opened.epoch, clock.now()).await?);

    let operations = Arc::new(Operations::new(Parts {
        store: Arc::clone(&store),
        clock: Arc::clone(&clock),
        random: Arc::clone(&random),
        signer: Arc::clone(&keys) as _,
        reader: Arc::clone(&keys) as _,
        audit_log: Arc::clone(&audit_log),
        settings: Settings {
            issuer: config.issuer.clone(),
            rhythm: Rhythm {
                interval: config.heartbeat_interval,
                limit: config.heartbeat_limit,
            },
            retention: config.retention,
            epoch: opened.epoch.clone(),
        },
    })?);
    let policy = Arc::new(PolicySource::new(
        config.policy.clone(),
        config.installation.clone(),
    ));
    // Without a good policy the broker starts all the same: it grants nothing, takes back what is out,
    // and says why it is not ready.
    let _ = policy.reload(&operations).await;
    // The keys of every algorithm in use, before anybody can have seen a key set without them.
    keys.keep_up(&background::algorithms(&operations), clock.now())
        .await?;
    let published = Published {
        issuer: config.issuer.as_str().into(),
        keys: Arc::clone(&keys),
        clock: Arc::clone(&clock),
        max_age: config.keys_max_age,
    };

    let phases = Shutdown {
        draining: CancellationToken::new(),
        closing: CancellationToken::new(),
    };
    let svid = identity.health();
    let health = Health::new(Arc::clone(&operations), svid, phases.draining.clone());
    let health = Arc::new(health.with_notice(opened.notice));
    let quota = CallQuota {
        per_second: config.calls_per_second,
        burst: config.call_burst,
    };
    let gate = Arc::new(Gate::new(
        Arc::clone(&operations),
        Arc::clone(&identity.tls.bundles),
        quota,
    ));
    let started_at = clock.now();
    let broker = BrokerService::new(Arc::clone(&operations), Arc::clone(&gate));
    let admin = AdminService::new(
        Arc::clone(&operations),
        Arc::clone(&health),
        Arc::clone(&policy),
        admin::Keys {
            desk: Arc::clone(&keys) as _,
            documents: Arc::new(published.clone()),
        },
        Identity {
            spiffe_id: config.spiffe_id.to_string(),
            version: env!("CARGO_PKG_VERSION"),
            started_at,
        },
    );

    let workload = bind(config.listen.workload).await?;
    let public = bind_optional(config.listen.public).await?;
    let monitoring = bind_optional(config.listen.operations).await?;
    let admin_socket = AdminListener::bind(&config.listen.admin, config.listen.admin_uids.clone())
        .map_err(|source| listen_error(&config.listen.admin.display(), source))?;
    let bound = Bound {
        workload: address(&workload)?,
        public: public.as_ref().map(address).transpose()?,
        operations: monitoring.as_ref().map(address).transpose()?,
        admin: config.listen.admin.clone(),
    };

    operations.append(started(&bound, started_at)).await?;
    audit_log.sequence().await;
    let every = config.audit_sequence_every;
    tasks.spawn(Arc::clone(&audit_log).run(every, stop.clone()));
    tasks.spawn(Arc::clone(&audit_log).survey(stop.clone()));
    if let Some(age) = config.audit_retention {
        tasks.spawn(background::retain(
            Arc::clone(&audit_log),
            age,
            stop.clone(),
        ));
    }
    if let Some(check) = opened.check {
        store::check_while_serving(check, &operations, &mut tasks, &stop);
    }
    background::spawn(&mut tasks, &operations, &gate, &keys, &stop);
    tasks.spawn(Arc::clone(&policy).watch(Arc::clone(&operations), stop.clone()));

    let discovery = discovery::router(published);
    let router = routes::workload(broker, &operations, &gate, &phases.draining, &mut tasks).await;
    let mut faces = JoinSet::new();
    let listener = WorkloadListener {
        listener: workload,
        tls: Arc::new(identity.tls.server_config()?),
        // For verifiers that come with an SVID: what they believe is then the broker's own word.
        router: router.merge(discovery.clone()),
        max_age: config.connection_max_age,
        clock: Arc::clone(&clock),
        random: Arc::clone(&random),
        bundles: Arc::clone(&identity.tls.bundles),
        shutdown: phases.clone(),
    };
    faces.spawn(listener.serve());
    faces.spawn(admin_socket.serve(routes::admin(admin), phases.closing.clone()));
    if let Some(public) = public {
        faces.spawn(plain_listener::serve(
            public,
            discovery,
            phases.closing.clone(),
        ));
    }
    // Operations go last, so that readiness can be asked to the end.
    let mut last = JoinSet::new();
    if let Some(monitoring) = monitoring {
        let router = crate::http::operations::router(Arc::clone(&health), metrics)
            .merge(crate::http::audit_log::router(Arc::new(audit_files)));
        last.spawn(plain_listener::serve(monitoring, router, stop.clone()));
    }

    tracing::info!(broker.workload = %bound.workload, broker.id = %config.spiffe_id, "broker serves");
    let _ = ready.send(bound);
    shutdown.cancelled().await;
    tracing::info!("broker shuts down");
    phases.draining.cancel();
    tokio::time::sleep(DRAIN_BEFORE_CLOSING).await;
    phases.closing.cancel();
    faces.join_all().await;
    operations.flush_denials().await;
    stop.cancel();
    tasks.join_all().await;
    audit_log.sequence().await;
    last.join_all().await;
    tracing::info!("broker has stopped");
    Ok(())
}

async fn open_keys(
    config: &BrokerConfig,
    store: &Arc<dyn Store>,
    epoch: &[u8],
    now: UnixMillis,
) -> Result<KeySet, StartError> {
    let sealer = store::sealer(config)?;
    let schedule = KeySchedule {
        signing_period: config.keys_signing_period,
        // Twice as long as a verifier keeps it: once for the verifier, once for a static export or a cache
        // between.
        published_before: config.keys_max_age * 2,
        published_after: LONGEST_TOKEN,
    };
    let store = Arc::clone(store) as Arc<dyn KeyStore>;
    Ok(KeySet::open(store, sealer, epoch, schedule, now).await?)
}

/// The origin of the audit log: the issuer without its scheme, as C2SP origins have none.
fn audit_origin(issuer: &str) -> String {
    let (_, place) = issuer.split_once("://").unwrap_or(("", issuer));
    format!("{place}/audit")
}

fn started(bound: &Bound, at: UnixMillis) -> Record {
    let details = serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"),
        "workload": bound.workload.to_string(),
    });
    Record {
        details,
        ..Record::new(Event::BrokerStarted, at)
    }
}

async fn bind_optional(address: Option<SocketAddr>) -> Result<Option<TcpListener>, StartError> {
    match address {
        Some(address) => bind(address).await.map(Some),
        None => Ok(None),
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| listen_error(&address, source))
}

fn address(listener: &TcpListener) -> Result<SocketAddr, StartError> {
    listener
        .local_addr()
        .map_err(|source| listen_error(&"an address", source))
}

fn listen_error(place: &impl ToString, source: io::Error) -> StartError {
    StartError::Listen {
        place: place.to_string(),
        source,
    }
}

#[cfg(test)]
mod tests;
