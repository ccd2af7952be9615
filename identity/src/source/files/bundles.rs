//! One file with roots for each trust domain.

use std::collections::BTreeMap;
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::error::FileError;
use super::poll::Load;
use super::read;
use crate::bundle::{Bundle, BundleSet};
use crate::spiffe_id::TrustDomain;

pub(super) struct BundleFiles {
    pub(super) paths: BTreeMap<TrustDomain, PathBuf>,
}

impl Load for BundleFiles {
    type Value = BundleSet;

    fn read(&self) -> Result<Vec<Zeroizing<Vec<u8>>>, FileError> {
        self.paths.values().map(|path| read::public(path)).collect()
    }

    fn parse(
        &self,
        contents: &[Zeroizing<Vec<u8>>],
        _in_force: Option<&BundleSet>,
    ) -> Result<BundleSet, FileError> {
        let files = self.paths.iter().zip(contents);
        let bundles = files.map(|((trust_domain, path), pem)| {
            Bundle::from_pem(trust_domain.clone(), pem).map_err(|why| FileError {
                path: path.clone(),
                why: why.into(),
            })
        });
        let bundles = bundles.collect::<Result<Vec<_>, _>>()?;
        Ok(BundleSet::of_distinct(bundles))
    }

    fn recheck(&self, _in_force: &BundleSet) -> Result<(), FileError> {
        Ok(())
    }

    fn log(&self, bundles: &BundleSet) {
        for bundle in bundles.iter() {
            tracing::info!(
                trust_domain = %bundle.trust_domain(),
                bundle.roots = bundle.len(),
                "bundle taken over"
            );
        }
    }
}
