//! What a connection remembers of its peer.

use std::sync::Arc;

use arc_swap::ArcSwap;
use ring::digest::{SHA256, digest};
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::bundle::{Bundle, BundleSet};
use crate::spiffe_id::SpiffeId;
use crate::svid_error::SvidError;
use crate::validity::Validity;
use crate::verifier::{VerifiedSvid, verify};

/// A peer's verified X.509-SVID, to be checked again on every call.
///
/// A connection outlives what was true at its handshake: the SVID expires, a root is taken out of
/// the bundle.
#[derive(Debug)]
pub struct PeerSvid {
    id: SpiffeId,
    validity: Validity,
    thumbprint: [u8; 32],
    chain: Vec<CertificateDer<'static>>,
    trust: ArcSwap<Trust>,
}

/// What the last verification found.
#[derive(Debug)]
struct Trust {
    /// The bundle it was made with.
    ///
    /// INVARIANT: held, not only its address, which another bundle could take over once freed.
    bundle: Arc<Bundle>,
    /// How long the leaf and every authority on the path are valid.
    path_validity: Validity,
}

impl PeerSvid {
    /// Verifies a chain, leaf first, as an accepted connection's `peer_certificates()` has it.
    pub fn verify(
        chain: &[CertificateDer<'_>],
        bundles: &BundleSet,
        now: UnixTime,
    ) -> Result<Self, SvidError> {
        let leaf = chain.first().ok_or(SvidError::NoCertificate)?;
        let mut thumbprint = [0; 32];
        thumbprint.copy_from_slice(digest(&SHA256, leaf).as_ref());
        let verified = verify(chain, bundles, now)?;
        Ok(Self {
            trust: ArcSwap::from_pointee(Trust::new(&verified, bundles)?),
            id: verified.id,
            validity: verified.validity,
            thumbprint,
            chain: chain.iter().map(|der| der.clone().into_owned()).collect(),
        })
    }

    /// Who it is.
    pub fn id(&self) -> &SpiffeId {
        &self.id
    }

    /// When the leaf is valid.
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// The last second in which the leaf is valid.
    pub fn expires_at(&self) -> UnixTime {
        self.validity.not_after
    }

    /// The SHA-256 of the leaf's DER: `x5t#S256` of
    /// [RFC 8705](https://www.rfc-editor.org/rfc/rfc8705#section-3.1).
    pub fn thumbprint(&self) -> &[u8; 32] {
        &self.thumbprint
    }

    /// The certificates as the peer sent them, leaf first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// Checks that it is still valid and still trusted; called on every request.
    ///
    /// That is a comparison of dates as long as the bundle of its trust domain is the one it was
    /// last verified with; otherwise the whole path is verified anew.
    pub fn recheck(&self, bundles: &BundleSet, now: UnixTime) -> Result<(), SvidError> {
        let trust = self.trust.load();
        let trust_domain = self.id.trust_domain();
        let is_same_bundle = bundles
            .get(trust_domain)
            .is_some_and(|bundle| Arc::ptr_eq(bundle, &trust.bundle));
        if is_same_bundle && trust.path_validity.contains(now) {
            return Ok(());
        }
        let verified = verify(&self.chain, bundles, now)?;
        self.trust.store(Arc::new(Trust::new(&verified, bundles)?));
        Ok(())
    }
}

impl Trust {
    fn new(verified: &VerifiedSvid, bundles: &BundleSet) -> Result<Self, SvidError> {
        let trust_domain = verified.id.trust_domain();
        let bundle = bundles.get(trust_domain).cloned();
        Ok(Self {
            bundle: bundle.ok_or_else(|| SvidError::UntrustedDomain(trust_domain.clone()))?,
            path_validity: verified.path_validity,
        })
    }
}
