//! Sources for tests and for `taskpass dev`: what they hold changes only when they are told.

use std::sync::Arc;

use tokio::sync::watch;

use super::{BundleSource, Problem, SvidSource};
use crate::bundle::BundleSet;
use crate::svid::X509Svid;

/// One SVID, held in memory.
#[derive(Debug)]
pub struct FixedSvid(watch::Sender<Arc<X509Svid>>);

/// One set of bundles, held in memory.
#[derive(Debug)]
pub struct FixedBundles(watch::Sender<Arc<BundleSet>>);

impl FixedSvid {
    /// Holds an SVID.
    pub fn new(svid: impl Into<Arc<X509Svid>>) -> Self {
        Self(watch::Sender::new(svid.into()))
    }

    /// Holds another one from now on.
    pub fn replace(&self, svid: impl Into<Arc<X509Svid>>) {
        self.0.send_replace(svid.into());
    }
}

impl FixedBundles {
    /// Holds a set of bundles.
    pub fn new(bundles: impl Into<Arc<BundleSet>>) -> Self {
        Self(watch::Sender::new(bundles.into()))
    }

    /// Holds another set from now on.
    pub fn replace(&self, bundles: impl Into<Arc<BundleSet>>) {
        self.0.send_replace(bundles.into());
    }
}

impl SvidSource for FixedSvid {
    fn current(&self) -> Arc<X509Svid> {
        Arc::clone(&self.0.borrow())
    }

    fn subscribe(&self) -> watch::Receiver<Arc<X509Svid>> {
        self.0.subscribe()
    }

    fn problem(&self) -> Option<Problem> {
        None
    }
}

impl BundleSource for FixedBundles {
    fn current(&self) -> Arc<BundleSet> {
        Arc::clone(&self.0.borrow())
    }

    fn subscribe(&self) -> watch::Receiver<Arc<BundleSet>> {
        self.0.subscribe()
    }

    fn problem(&self) -> Option<Problem> {
        None
    }
}
