//! What a message with bundles says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustls_pki_types::UnixTime;
use tonic::Streaming;

use super::connect::{Client, request};
use super::der;
use super::error::WhyApi;
use super::watcher::{Feed, Read, Reading};
use crate::bundle::{Bundle, BundleSet};
use crate::spiffe_id::TrustDomain;
use crate::workload_api::{X509BundlesRequest, X509BundlesResponse};

/// The bundles of some trust domains; what a Workload API says of others is not heard.
pub(super) struct BundleFeed {
    trust_domains: BTreeSet<TrustDomain>,
    /// The content of the bundles in force.
    in_force: BTreeMap<TrustDomain, Vec<u8>>,
    /// The trust domains of the last good message, ours or not.
    named: BTreeSet<String>,
}

impl BundleFeed {
    pub(super) fn new(trust_domains: BTreeSet<TrustDomain>) -> Self {
        Self {
            trust_domains,
            in_force: BTreeMap::new(),
            named: BTreeSet::new(),
        }
    }

    /// A bundle of the message, or the one before where it has not changed or cannot be used.
    fn bundle(
        &self,
        domain: &TrustDomain,
        content: &[u8],
        before: Option<&Arc<Bundle>>,
    ) -> Result<Arc<Bundle>, WhyApi> {
        // A bundle keeps its address while it is the same: peers are verified anew when it moves.
        if let (Some(before), Some(same)) = (before, self.in_force.get(domain))
            && same == content
        {
            return Ok(Arc::clone(before));
        }
        let roots = der::split(content).map_err(|_| WhyApi::NotDer)?;
        let bundle = Bundle::from_der(domain.clone(), roots);
        bundle
            .map(Arc::new)
            .map_err(|why| WhyApi::Bundle(domain.clone(), why))
    }
}

impl Feed for BundleFeed {
    type Message = X509BundlesResponse;
    type Value = BundleSet;

    async fn open(
        &self,
        client: &mut Client,
    ) -> Result<Streaming<X509BundlesResponse>, tonic::Status> {
        let asked = request(X509BundlesRequest {});
        Ok(client.fetch_x509_bundles(asked).await?.into_inner())
    }

    /// Takes the domains one by one: while one bundle is broken, a root that is taken out of another
    /// still loses its trust at once. A domain that is not named any more is not trusted any more.
    fn read(
        &mut self,
        message: X509BundlesResponse,
        in_force: Option<&BundleSet>,
    ) -> Result<Reading<BundleSet>, WhyApi> {
        if message.bundles.is_empty() {
            return Err(WhyApi::Empty);
        }
        let named: BTreeSet<String> = message.bundles.keys().cloned().collect();
        // A server always names its own trust domain: one that names nothing that was named before
        // is another one.
        if !self.named.is_empty() && self.named.is_disjoint(&named) {
            return Err(WhyApi::ForeignBundles);
        }
        let (mut bundles, mut contents, mut remark) = (Vec::new(), BTreeMap::new(), None);
        for domain in &self.trust_domains {
            let Some(content) = message.bundles.get(&format!("spiffe://{domain}")) else {
                remark = remark.or(Some(WhyApi::NoBundle(domain.clone())));
                continue;
            };
            let before = in_force.and_then(|set| set.get(domain));
            match self.bundle(domain, content, before) {
                Ok(bundle) => {
                    bundles.push(bundle);
                    contents.insert(domain.clone(), content.clone());
                }
                Err(why) => {
                    remark = Some(why);
                    bundles.extend(before.cloned());
                    let content = self.in_force.get(domain).cloned();
                    contents.extend(content.map(|content| (domain.clone(), content)));
                }
            }
        }
        if in_force.is_none() && bundles.is_empty() {
            return Err(remark.unwrap_or(WhyApi::Empty));
        }
        let is_same = in_force.is_some() && contents == self.in_force;
        (self.named, self.in_force) = (named, contents);
        let read = if is_same {
            Read::AsBefore
        } else {
            Read::New(BundleSet::of_distinct(bundles))
        };
        Ok(Reading { read, remark })
    }

    fn withdrawn(&self, in_force: &BundleSet) -> Option<BundleSet> {
        let has_any = in_force.iter().next().is_some();
        has_any.then(BundleSet::default)
    }

    fn stale_at(&self, _: &BundleSet) -> Option<UnixTime> {
        None
    }

    fn now(&self) -> Option<UnixTime> {
        None
    }

    fn log(&self, set: &BundleSet) {
        for bundle in set.iter() {
            tracing::info!(
                trust_domain = %bundle.trust_domain(),
                bundle.roots = bundle.len(),
                "bundle taken over from the Workload API"
            );
        }
    }
}
