//! What a message with SVIDs says.

use std::sync::Arc;

use rustls::time_provider::TimeProvider;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use tonic::Streaming;
use zeroize::Zeroize;

use super::connect::{Client, printable, request};
use super::der;
use super::error::WhyApi;
use super::selection::{Chosen, Selection};
use super::watcher::{Feed, Read, Reading};
use crate::bundle::{Bundle, BundleSet};
use crate::spiffe_id::SpiffeId;
use crate::svid::X509Svid;
use crate::svid_error::SvidError;
use crate::verifier::verify;
use crate::workload_api::{X509svid, X509svidRequest, X509svidResponse};

/// How many of the offered identities an error names.
const NAMED: usize = 5;

/// One of the identities that a Workload API gives.
pub(super) struct SvidFeed {
    pub(super) selection: Selection,
    pub(super) time: Arc<dyn TimeProvider>,
}

impl Feed for SvidFeed {
    type Message = X509svidResponse;
    type Value = X509Svid;

    async fn open(
        &self,
        client: &mut Client,
    ) -> Result<Streaming<X509svidResponse>, tonic::Status> {
        let opened = client.fetch_x509svid(request(X509svidRequest {})).await?;
        Ok(opened.into_inner())
    }

    fn read(
        &mut self,
        mut message: X509svidResponse,
        in_force: Option<&X509Svid>,
    ) -> Result<Reading<X509Svid>, WhyApi> {
        let reading = self.take(&message.svids, in_force);
        // The library's buffers are out of reach; these copies are not.
        for svid in &mut message.svids {
            svid.x509_svid_key.zeroize();
        }
        reading
    }

    fn withdrawn(&self, in_force: &X509Svid) -> Option<X509Svid> {
        (!in_force.is_withdrawn()).then(|| in_force.withdrawn())
    }

    fn stale_at(&self, in_force: &X509Svid) -> Option<UnixTime> {
        let validity = in_force.validity();
        let (from, to) = (validity.not_before.as_secs(), validity.not_after.as_secs());
        let at = to.saturating_sub(to.saturating_sub(from) / 4);
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(
            at,
        )))
    }

    fn now(&self) -> Option<UnixTime> {
        self.time.current_time()
    }

    fn log(&self, svid: &X509Svid) {
        tracing::info!(
            svid.id = %svid.id(),
            svid.expires_at = svid.expires_at().as_secs(),
            "svid taken over from the Workload API"
        );
    }
}

impl SvidFeed {
    fn take(
        &self,
        svids: &[X509svid],
        in_force: Option<&X509Svid>,
    ) -> Result<Reading<X509Svid>, WhyApi> {
        let now = self.time.current_time();
        let now = now.ok_or(SvidError::NotYetValid)?;
        let Some(first) = svids.first() else {
            return Err(WhyApi::Empty);
        };
        let Some(Chosen {
            index,
            is_ambiguous,
        }) = self.selection.choose(svids)
        else {
            let Some(in_force) = in_force else {
                return Err(WhyApi::NotOffered(self.selection.clone(), offered(svids)));
            };
            // Only a message that can be believed takes something back.
            check_domain(&verified(first, now)?, in_force)?;
            return Ok(Reading {
                read: Read::TakenBack,
                remark: Some(WhyApi::Withdrawn(in_force.id().clone())),
            });
        };
        let svid = verified(svids.get(index).unwrap_or(first), now)?;
        let mut is_same = false;
        if let Some(in_force) = in_force {
            check_domain(&svid, in_force)?;
            check_id(svid.id(), in_force.id())?;
            is_same = svid.chain() == in_force.chain() && !in_force.is_withdrawn();
        }
        let hint = |first: &X509svid| WhyApi::SameHint(printable(&first.hint));
        Ok(Reading {
            read: if is_same {
                Read::AsBefore
            } else {
                Read::New(svid)
            },
            remark: svids.get(index).filter(|_| is_ambiguous).map(hint),
        })
    }
}

/// An SVID that keeps all rules, fits what the message says of it, and leads to its own bundle now.
fn verified(message: &X509svid, now: UnixTime) -> Result<X509Svid, WhyApi> {
    let declared: SpiffeId = message.spiffe_id.parse()?;
    let chain = der::split(&message.x509_svid).map_err(|_| WhyApi::NotDer)?;
    let key = PrivatePkcs8KeyDer::from(message.x509_svid_key.clone());
    let svid = X509Svid::from_der(chain, PrivateKeyDer::Pkcs8(key))?;
    if *svid.id() != declared {
        return Err(WhyApi::AnotherThanDeclared {
            declared,
            found: svid.id().clone(),
        });
    }
    let domain = declared.trust_domain().clone();
    let roots = der::split(&message.bundle).map_err(|_| WhyApi::NotDer)?;
    let bundle = Bundle::from_der(domain.clone(), roots);
    let bundle = bundle.map_err(|why| WhyApi::Bundle(domain, why))?;
    verify(svid.chain(), &BundleSet::from(bundle), now)?;
    Ok(svid)
}

fn check_domain(svid: &X509Svid, in_force: &X509Svid) -> Result<(), WhyApi> {
    let (found, in_force) = (svid.id().trust_domain(), in_force.id().trust_domain());
    if found == in_force {
        return Ok(());
    }
    Err(WhyApi::ForeignDomain {
        in_force: in_force.clone(),
        found: found.clone(),
    })
}

/// Jobs hang off who we are, and who we are does not change under way.
fn check_id(found: &SpiffeId, in_force: &SpiffeId) -> Result<(), WhyApi> {
    if found == in_force {
        return Ok(());
    }
    Err(WhyApi::AnotherWorkload {
        in_force: in_force.clone(),
        found: found.clone(),
    })
}

/// What is on offer, for people.
fn offered(svids: &[X509svid]) -> String {
    let one = |svid: &X509svid| match svid.hint.as_str() {
        "" => format!("`{}`", printable(&svid.spiffe_id)),
        hint => format!(
            "`{}` (hint `{}`)",
            printable(&svid.spiffe_id),
            printable(hint)
        ),
    };
    let mut named: Vec<String> = svids.iter().take(NAMED).map(one).collect();
    if svids.len() > NAMED {
        named.push(format!("{} more", svids.len() - NAMED));
    }
    named.join(", ")
}
