//! One file with roots for each trust domain.
//!
//! Each file is looked at for itself: while one is broken, a root that is taken out of another
//! still loses its trust at once.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::FileSource;
use super::error::FileError;
use super::poll::{Load, Poll, Poller};
use super::read;
use crate::bundle::{Bundle, BundleSet};
use crate::spiffe_id::TrustDomain;

/// The files of all trust domains, and the set that they make.
pub(super) struct BundleFiles {
    files: Vec<(Poller<BundleFile>, FileSource<Bundle>)>,
    set: FileSource<BundleSet>,
}

impl BundleFiles {
    /// Reads all files for the first time.
    pub(super) fn open(
        paths: BTreeMap<TrustDomain, PathBuf>,
    ) -> Result<(Self, FileSource<BundleSet>), FileError> {
        let files = paths
            .into_iter()
            .map(|(trust_domain, path)| Poller::open(BundleFile { trust_domain, path }))
            .collect::<Result<Vec<_>, _>>()?;
        let bundles = files.iter().map(|(_, source)| source.current());
        let set = FileSource::new(BundleSet::of_distinct(bundles));
        let source = set.clone();
        Ok((Self { files, set }, source))
    }

    /// Whether a file's bundle is another one than the set has.
    fn has_changed(&self) -> bool {
        let set = self.set.current();
        self.files.iter().any(|(_, source)| {
            let bundle = source.current();
            let in_set = set.get(bundle.trust_domain());
            !in_set.is_some_and(|in_set| Arc::ptr_eq(in_set, &bundle))
        })
    }
}

impl Poll for BundleFiles {
    fn poll(&mut self) {
        for (poller, _) in &mut self.files {
            poller.poll();
        }
        if self.has_changed() {
            let bundles = self.files.iter().map(|(_, source)| source.current());
            self.set.publish(BundleSet::of_distinct(bundles));
        }
        let mut problems = self.files.iter().map(|(_, source)| source.problem());
        self.set.report(problems.find_map(|problem| problem));
    }
}

/// The roots of one trust domain.
struct BundleFile {
    trust_domain: TrustDomain,
    path: PathBuf,
}

impl Load for BundleFile {
    type Value = Bundle;

    fn read(&self) -> Result<Vec<Zeroizing<Vec<u8>>>, FileError> {
        Ok(vec![read::public(&self.path)?])
    }

    fn parse(
        &self,
        contents: &[Zeroizing<Vec<u8>>],
        _in_force: Option<&Bundle>,
    ) -> Result<Bundle, FileError> {
        let pem = contents.first().map_or(&[][..], |pem| pem.as_slice());
        Bundle::from_pem(self.trust_domain.clone(), pem).map_err(|why| FileError {
            path: self.path.clone(),
            why: why.into(),
        })
    }

    fn recheck(&self, _in_force: &Bundle) -> Result<(), FileError> {
        Ok(())
    }

    fn log(&self, bundle: &Bundle) {
        tracing::info!(
            trust_domain = %bundle.trust_domain(),
            bundle.roots = bundle.len(),
            "bundle taken over"
        );
    }
}
