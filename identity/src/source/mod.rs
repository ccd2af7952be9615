//! Where SVIDs and bundles come from.
//!
//! - [`files`]: PEM files that rotate on disk
//! - [`workload_api`]: a SPIFFE Workload API
//! - [`fixed`]: what it was given, for tests
//! - [`origin`]: one of the first two, as a configuration says
//! - [`Problem`]: what is wrong with a source, the same for all of them

pub mod files;
pub mod fixed;
mod live;
pub mod origin;
mod problem;
pub mod workload_api;

use std::sync::Arc;

use tokio::sync::watch;

use crate::bundle::BundleSet;
use crate::svid::X509Svid;

pub use live::Live;
pub use problem::Problem;
pub(crate) use problem::{Trouble, count};

/// A port to the SVID that we present to peers.
///
/// A source exists only once it has a good SVID, and never drops it for a worse one; it may expire
/// where no newer one came, and a Workload API may take it back
/// ([`X509Svid::is_withdrawn`]).
pub trait SvidSource: Send + Sync {
    /// The SVID of this moment.
    fn current(&self) -> Arc<X509Svid>;

    /// The SVID as it changes.
    fn subscribe(&self) -> watch::Receiver<Arc<X509Svid>>;

    /// What is wrong with where it comes from, since it was last good.
    fn problem(&self) -> Option<Problem>;
}

/// A port to the roots that we trust.
pub trait BundleSource: Send + Sync {
    /// The bundles of this moment.
    fn current(&self) -> Arc<BundleSet>;

    /// The bundles as they change.
    fn subscribe(&self) -> watch::Receiver<Arc<BundleSet>>;

    /// What is wrong with where they come from, since they were last good.
    fn problem(&self) -> Option<Problem>;
}
