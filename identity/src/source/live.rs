//! What is in force of a source, and what is wrong with it.

use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;

use super::{BundleSource, Problem, SvidSource, Trouble};
use crate::bundle::BundleSet;
use crate::svid::X509Svid;

/// A value that changes, and what is wrong with the place that it comes from; clones share it.
pub struct Live<T, P> {
    value: Arc<watch::Sender<Arc<T>>>,
    problem: Arc<watch::Sender<Option<Arc<P>>>>,
}

impl<T, P: PartialEq> Live<T, P> {
    pub(super) fn new(value: T) -> Self {
        Self {
            value: Arc::new(watch::Sender::new(Arc::new(value))),
            problem: Arc::new(watch::Sender::new(None)),
        }
    }

    pub(super) fn current(&self) -> Arc<T> {
        Arc::clone(&self.value.borrow())
    }

    pub(super) fn publish(&self, value: T) {
        self.value.send_replace(Arc::new(value));
    }

    pub(super) fn report(&self, problem: Option<Arc<P>>) {
        self.problem.send_if_modified(|current| {
            let is_new = *current != problem;
            *current = problem;
            is_new
        });
    }

    /// What is wrong since the value was last good, if anything; also that an SVID in files has
    /// expired and no newer one came.
    pub fn problem(&self) -> Option<Arc<P>> {
        self.problem.borrow().clone()
    }

    /// The same, as it changes.
    pub fn subscribe_problem(&self) -> watch::Receiver<Option<Arc<P>>> {
        self.problem.subscribe()
    }
}

impl<P: Trouble> SvidSource for Live<X509Svid, P> {
    fn current(&self) -> Arc<X509Svid> {
        self.current()
    }

    fn subscribe(&self) -> watch::Receiver<Arc<X509Svid>> {
        self.value.subscribe()
    }

    fn problem(&self) -> Option<Problem> {
        self.problem().map(|problem| Problem::of(problem.as_ref()))
    }
}

impl<P: Trouble> BundleSource for Live<BundleSet, P> {
    fn current(&self) -> Arc<BundleSet> {
        self.current()
    }

    fn subscribe(&self) -> watch::Receiver<Arc<BundleSet>> {
        self.value.subscribe()
    }

    fn problem(&self) -> Option<Problem> {
        self.problem().map(|problem| Problem::of(problem.as_ref()))
    }
}

impl<T, P> Clone for Live<T, P> {
    fn clone(&self) -> Self {
        Self {
            value: Arc::clone(&self.value),
            problem: Arc::clone(&self.problem),
        }
    }
}

impl<T, P: PartialEq + fmt::Debug> fmt::Debug for Live<T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live")
            .field("problem", &self.problem())
            .finish_non_exhaustive()
    }
}
