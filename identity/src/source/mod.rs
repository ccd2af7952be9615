//! Where SVIDs and bundles come from.
//!
//! [`files`] reads them from PEM files that rotate on disk, [`fixed`] holds what it was given. The
//! SPIFFE Workload API is to be one more implementation of the same two ports.

pub mod files;
pub mod fixed;

use std::sync::Arc;

use tokio::sync::watch;

use crate::bundle::BundleSet;
use crate::svid::X509Svid;

/// A port to the SVID that we present to peers.
///
/// A source exists only once it has a good SVID, and never drops it for a worse one; it may expire
/// where no newer one came.
pub trait SvidSource: Send + Sync {
    /// The SVID of this moment.
    fn current(&self) -> Arc<X509Svid>;

    /// The SVID as it changes.
    fn subscribe(&self) -> watch::Receiver<Arc<X509Svid>>;
}

/// A port to the roots that we trust.
pub trait BundleSource: Send + Sync {
    /// The bundles of this moment.
    fn current(&self) -> Arc<BundleSet>;

    /// The bundles as they change.
    fn subscribe(&self) -> watch::Receiver<Arc<BundleSet>>;
}
