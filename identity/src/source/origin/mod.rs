//! Where an SVID or bundles come from, as a configuration says.

mod fields;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::time_provider::TimeProvider;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use fields::{InvalidOrigin, SvidFields};

use super::files::{self, FileError, SvidPaths};
use super::workload_api::{self, ApiError, Selection, Settings};
use super::{BundleSource, Problem, SvidSource};
use crate::bundle::BundleSet;
use crate::spiffe_id::TrustDomain;
use crate::workload_api::Endpoint;

/// Where an SVID comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SvidOrigin {
    /// Two files.
    Files(SvidPaths),
    /// A Workload API.
    WorkloadApi {
        /// Where it is served.
        endpoint: Endpoint,
        /// Which of its identities.
        selection: Selection,
    },
}

/// Where the roots of one trust domain come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BundleOrigin {
    /// A file.
    File(PathBuf),
    /// A Workload API.
    WorkloadApi(Endpoint),
}

/// What sources need to live: the time, a patience, and whom to spawn their work to.
pub struct Ground<'a> {
    /// What time it is.
    pub time: Arc<dyn TimeProvider>,
    /// How long to wait for a first answer.
    pub patience: Duration,
    /// Takes the tasks that keep sources fresh.
    pub tasks: &'a mut JoinSet<()>,
    /// Ends them.
    pub stop: CancellationToken,
}

/// A source could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// A Workload API gave nothing of use in time.
    #[error(transparent)]
    WorkloadApi(#[from] ApiError),
}

impl SvidOrigin {
    /// Opens the source and keeps it fresh; fails unless it has an SVID that is good now.
    pub async fn open(&self, ground: &mut Ground<'_>) -> Result<Arc<dyn SvidSource>, OriginError> {
        match self {
            Self::Files(paths) => {
                let (svids, reloader) = files::svid(paths.clone(), Arc::clone(&ground.time))?;
                ground.tasks.spawn(reloader.run(ground.stop.clone()));
                Ok(Arc::new(svids))
            }
            Self::WorkloadApi {
                endpoint,
                selection,
            } => {
                let settings = ground.settings(endpoint);
                let (svids, watcher) = workload_api::svid(settings, selection.clone()).await?;
                ground.tasks.spawn(watcher.run(ground.stop.clone()));
                Ok(Arc::new(svids))
            }
        }
    }
}

/// Opens a source of bundles for trust domains, each from its own place, and keeps it fresh.
pub async fn open_bundles(
    origins: &BTreeMap<TrustDomain, BundleOrigin>,
    ground: &mut Ground<'_>,
) -> Result<Arc<dyn BundleSource>, OriginError> {
    let mut paths = BTreeMap::new();
    let mut by_endpoint: BTreeMap<&Endpoint, BTreeSet<TrustDomain>> = BTreeMap::new();
    for (domain, origin) in origins {
        match origin {
            BundleOrigin::File(path) => {
                paths.insert(domain.clone(), path.clone());
            }
            BundleOrigin::WorkloadApi(endpoint) => {
                by_endpoint
                    .entry(endpoint)
                    .or_default()
                    .insert(domain.clone());
            }
        }
    }
    let mut parts: Vec<Arc<dyn BundleSource>> = Vec::new();
    if !paths.is_empty() {
        let (bundles, reloader) = files::bundles(paths)?;
        ground.tasks.spawn(reloader.run(ground.stop.clone()));
        parts.push(Arc::new(bundles));
    }
    for (endpoint, domains) in by_endpoint {
        let settings = ground.settings(endpoint);
        let (bundles, watcher) = workload_api::bundles(settings, domains).await?;
        ground.tasks.spawn(watcher.run(ground.stop.clone()));
        parts.push(Arc::new(bundles));
    }
    match <[_; 1]>::try_from(parts) {
        Ok([only]) => Ok(only),
        Err(parts) => Ok(join(parts, ground)),
    }
}

impl Ground<'_> {
    fn settings(&self, endpoint: &Endpoint) -> Settings {
        Settings {
            endpoint: endpoint.clone(),
            time: Arc::clone(&self.time),
            patience: self.patience,
        }
    }
}

impl fmt::Display for SvidOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files(paths) => write!(f, "`{}`", paths.certificate.display()),
            Self::WorkloadApi { endpoint, .. } => write!(f, "the Workload API at `{endpoint}`"),
        }
    }
}

impl SvidOrigin {
    /// What to do where its SVID has expired.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Files(_) => "rotate its files; see what issues SVIDs on this node",
            Self::WorkloadApi { .. } => {
                "see why the Workload API does not renew it; its agent's log says more"
            }
        }
    }
}

impl fmt::Debug for Ground<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ground")
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

/// Bundles from several places, of different trust domains, as one source.
struct Joined {
    parts: Vec<Arc<dyn BundleSource>>,
    set: watch::Sender<Arc<BundleSet>>,
}

fn join(parts: Vec<Arc<dyn BundleSource>>, ground: &mut Ground<'_>) -> Arc<dyn BundleSource> {
    let joined = Arc::new(Joined {
        set: watch::Sender::new(Arc::new(together(&parts))),
        parts,
    });
    for part in &joined.parts {
        let (mut changes, joined) = (part.subscribe(), Arc::clone(&joined));
        let stop = ground.stop.clone();
        ground.tasks.spawn(async move {
            // Changes of before this point were not looked at either.
            joined.refresh();
            while let Some(Ok(())) = stop.run_until_cancelled(changes.changed()).await {
                joined.refresh();
            }
        });
    }
    joined
}

fn together(parts: &[Arc<dyn BundleSource>]) -> BundleSet {
    let sets: Vec<Arc<BundleSet>> = parts.iter().map(|part| part.current()).collect();
    BundleSet::of_distinct(sets.iter().flat_map(|set| set.iter()).cloned())
}

impl Joined {
    fn refresh(&self) {
        // Made under the lock of the channel, so that of two at once the later one has both changes.
        self.set
            .send_modify(|set| *set = Arc::new(together(&self.parts)));
    }
}

impl BundleSource for Joined {
    fn current(&self) -> Arc<BundleSet> {
        Arc::clone(&self.set.borrow())
    }

    fn subscribe(&self) -> watch::Receiver<Arc<BundleSet>> {
        self.set.subscribe()
    }

    fn problem(&self) -> Option<Problem> {
        self.parts.iter().find_map(|part| part.problem())
    }
}
