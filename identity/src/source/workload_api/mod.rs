//! SVIDs and bundles from a SPIFFE Workload API.
//!
//! Each source keeps one stream open for ever. A message is the whole state; it is taken over only if
//! it is good by the same rules as files are, and a bad one changes nothing: what was there before
//! stays in use until its end, and [`Live::problem`] says why. Only what the API itself takes back,
//! by a good message without it or by `PermissionDenied`, is given up before its end.
//!
//! - [`selection`]: which of several identities is ours
//! - [`svids`], [`bundles`]: what a message says (pure)
//! - [`der`]: certificates that lie one after the other
//! - [`error`]: what can be wrong
//! - [`connect`], [`watcher`], [`backoff`]: the stream, opened again and again

mod backoff;
mod bundles;
mod connect;
mod der;
mod error;
mod selection;
mod svids;
mod watcher;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::time_provider::TimeProvider;
use tokio_util::sync::CancellationToken;

use self::bundles::BundleFeed;
use self::svids::SvidFeed;
use self::watcher::Watch;
use super::Live;
use crate::bundle::BundleSet;
use crate::spiffe_id::TrustDomain;
use crate::svid::X509Svid;
use crate::workload_api::Endpoint;

pub use error::{ApiError, WhyApi};
pub use selection::Selection;

/// What a Workload API gave and still holds; clones share it.
pub type ApiSource<T> = Live<T, ApiError>;

/// How long a start waits for the first answer, unless told otherwise.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Where the API is, and how it is asked.
pub struct Settings {
    /// Where it is served.
    pub endpoint: Endpoint,
    /// What time it is.
    pub time: Arc<dyn TimeProvider>,
    /// How long to wait for the first good message.
    pub patience: Duration,
}

/// Keeps an [`ApiSource`] fresh.
pub struct Watcher(Box<dyn Run>);

/// Waits for an SVID of ours; fails when none came in time, with the last reason.
pub async fn svid(
    settings: Settings,
    selection: Selection,
) -> Result<(ApiSource<X509Svid>, Watcher), ApiError> {
    let feed = SvidFeed {
        selection,
        time: Arc::clone(&settings.time),
    };
    let (watch, source) = Watch::open(settings, feed).await?;
    Ok((source, Watcher(Box::new(watch))))
}

/// Waits for the bundle of at least one of some trust domains; bundles of others are never taken.
pub async fn bundles(
    settings: Settings,
    trust_domains: BTreeSet<TrustDomain>,
) -> Result<(ApiSource<BundleSet>, Watcher), ApiError> {
    let feed = BundleFeed::new(trust_domains);
    let (watch, source) = Watch::open(settings, feed).await?;
    Ok((source, Watcher(Box::new(watch))))
}

impl Watcher {
    /// Keeps at it until the shutdown.
    pub async fn run(self, shutdown: CancellationToken) {
        shutdown.run_until_cancelled(self.0.run()).await;
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher").finish_non_exhaustive()
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("endpoint", &self.endpoint)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

/// A [`Watch`] of whatever it watches.
trait Run: Send {
    fn run(self: Box<Self>) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;
}

impl<F: watcher::Feed> Run for Watch<F> {
    fn run(self: Box<Self>) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin((*self).run())
    }
}
