//! Decides whether a chain of certificates is a trusted X.509-SVID.
//!
//! Plain TLS libraries check less than SPIFFE asks for: they let pass leaves that may sign
//! certificates, several URIs, and issuers that may not issue. This is one pure function with all
//! of the rules, used for clients and servers alike.

use rustls_pki_types::{CertificateDer, UnixTime};

use crate::bundle::{Bundle, BundleSet};
use crate::issuer::UnverifiedIssuer;
use crate::leaf::UnverifiedLeaf;
use crate::path;
use crate::spiffe_id::SpiffeId;
use crate::svid_error::SvidError;
use crate::validity::Validity;

const MAX_CERTIFICATES: usize = 8;
/// A search for a path tries every order of authorities that have the same name: with seven, that
/// is thousands. Nested SPIRE servers do share a name, but are not nested that deeply.
const MAX_NAMESAKES: usize = 3;

/// Who a trusted chain speaks for, and how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedSvid {
    /// The workload.
    pub id: SpiffeId,
    /// When the leaf is valid.
    pub validity: Validity,
    /// When the leaf and every authority on the path to the root are valid.
    pub path_validity: Validity,
}

/// Verifies a chain, leaf first, against the bundle of the leaf's own trust domain.
///
/// The work is bounded: at most 8 certificates, few of the same name, and small keys, which is
/// checked before any signature. Every certificate has to keep the rules, also one that the path does not need.
pub fn verify(
    chain: &[CertificateDer<'_>],
    bundles: &BundleSet,
    now: UnixTime,
) -> Result<VerifiedSvid, SvidError> {
    let unverified = UnverifiedChain::read(chain)?;
    let trust_domain = unverified.leaf.id.trust_domain();
    let bundle = bundles
        .get(trust_domain)
        .ok_or_else(|| SvidError::UntrustedDomain(trust_domain.clone()))?;
    unverified.verify(bundle, now)
}

/// A chain whose certificates keep the rules, each for itself.
pub(crate) struct UnverifiedChain<'a> {
    der: &'a CertificateDer<'a>,
    pub(crate) leaf: UnverifiedLeaf,
    issuers: Vec<UnverifiedIssuer<'a>>,
}

impl<'a> UnverifiedChain<'a> {
    /// Reads a chain, leaf first.
    pub(crate) fn read(chain: &'a [CertificateDer<'a>]) -> Result<Self, SvidError> {
        let (der, issuers) = chain.split_first().ok_or(SvidError::NoCertificate)?;
        if chain.len() > MAX_CERTIFICATES {
            return Err(SvidError::ChainTooLong(chain.len()));
        }
        let leaf = UnverifiedLeaf::read(der)?;
        let issuers = issuers
            .iter()
            .map(|der| UnverifiedIssuer::read(der, leaf.id.trust_domain()))
            .collect::<Result<Vec<_>, _>>()?;
        check_namesakes(&issuers)?;
        Ok(Self { der, leaf, issuers })
    }

    /// Verifies it against the bundle of the leaf's trust domain.
    fn verify(self, bundle: &Bundle, now: UnixTime) -> Result<VerifiedSvid, SvidError> {
        let Self { der, leaf, issuers } = self;
        check_dates(leaf.validity, now)?;
        let issuers_validity = path::verify(der, &issuers, bundle, now)?;
        Ok(VerifiedSvid {
            id: leaf.id,
            validity: leaf.validity,
            path_validity: leaf.validity.intersect(issuers_validity),
        })
    }
}

fn check_namesakes(issuers: &[UnverifiedIssuer<'_>]) -> Result<(), SvidError> {
    let namesakes =
        |of: &UnverifiedIssuer<'_>| issuers.iter().filter(|i| i.subject == of.subject).count();
    if issuers.iter().any(|of| namesakes(of) > MAX_NAMESAKES) {
        return Err(SvidError::AmbiguousIssuers);
    }
    Ok(())
}

/// Refuses a leaf outside of its own dates.
fn check_dates(leaf: Validity, now: UnixTime) -> Result<(), SvidError> {
    if now > leaf.not_after {
        Err(SvidError::Expired)
    } else if now < leaf.not_before {
        Err(SvidError::NotYetValid)
    } else {
        Ok(())
    }
}
