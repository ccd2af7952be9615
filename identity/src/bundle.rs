//! The roots of trust domains.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, TrustAnchor};

use crate::issuer::UnverifiedIssuer;
use crate::spiffe_id::TrustDomain;
use crate::svid_error::SvidError;
use crate::validity::Validity;

/// The X.509 roots of one trust domain; without roots, nobody of the domain is trusted
/// ([X509-SVID](https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md), section 6).
#[derive(Debug)]
pub struct Bundle {
    trust_domain: TrustDomain,
    // INVARIANT: one of each for every root, in the same order.
    anchors: Vec<TrustAnchor<'static>>,
    limits: Vec<RootLimits>,
}

/// The bundles of all trust domains that are trusted at one time.
///
/// It never changes: sources replace the whole set. Roots of one trust domain are never used for
/// another, and a domain without a bundle is not trusted.
#[derive(Debug, Default)]
pub struct BundleSet {
    by_domain: BTreeMap<TrustDomain, Arc<Bundle>>,
}

/// What a trust anchor does not say of its root.
#[derive(Debug)]
pub(crate) struct RootLimits {
    /// When it is valid by its own word.
    pub(crate) validity: Validity,
    /// How many authorities may stand below it, where it says so.
    pub(crate) path_length: Option<u32>,
}

/// Why certificates are not a bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBundle {
    /// The text is not PEM.
    #[error("not valid PEM: {0}; it may be half written")]
    Pem(String),
    /// There is no certificate in it.
    #[error("there is no certificate in it; a trust domain's roots are PEM blocks `CERTIFICATE`")]
    Empty,
    /// One of the certificates is not a root; counted from 1.
    #[error(
        "certificate {number} is not a root: {why}; roots need `basicConstraints` with `cA` and \
         `keyUsage` with `keyCertSign`"
    )]
    Root {
        /// Which one.
        number: usize,
        /// The rule that it breaks.
        why: SvidError,
    },
}

/// Two bundles name the same trust domain, and bundles are never merged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there are two bundles for the trust domain `{0}`; put all of its roots into one")]
pub struct DuplicateTrustDomain(pub TrustDomain);

impl Bundle {
    /// Reads one or more roots from PEM; blocks of other kinds are passed over.
    pub fn from_pem(trust_domain: TrustDomain, pem: &[u8]) -> Result<Self, InvalidBundle> {
        let certificates = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| InvalidBundle::Pem(error.to_string()))?;
        if certificates.is_empty() {
            return Err(InvalidBundle::Empty);
        }
        Self::from_der(trust_domain, certificates)
    }

    /// Takes roots in DER; none at all means that nobody of the trust domain is trusted.
    pub fn from_der<'a>(
        trust_domain: TrustDomain,
        certificates: impl IntoIterator<Item = CertificateDer<'a>>,
    ) -> Result<Self, InvalidBundle> {
        let read = |(index, der): (usize, CertificateDer<'a>)| {
            read_root(&der, &trust_domain).map_err(|why| InvalidBundle::Root {
                number: index + 1,
                why,
            })
        };
        let roots = certificates.into_iter().enumerate().map(read);
        let (anchors, limits) = roots.collect::<Result<_, _>>()?;
        Ok(Self {
            trust_domain,
            anchors,
            limits,
        })
    }

    /// Whose roots these are.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// How many roots there are.
    pub fn len(&self) -> usize {
        self.anchors.len()
    }

    /// Whether there are no roots.
    pub fn is_empty(&self) -> bool {
        self.anchors.is_empty()
    }

    /// The roots as `webpki` takes them.
    pub(crate) fn anchors(&self) -> &[TrustAnchor<'static>] {
        &self.anchors
    }

    /// The limits of one of [`Bundle::anchors`], known by its place and not by its content: a root
    /// that was issued again has the same name and key.
    pub(crate) fn limits_of(&self, anchor: &TrustAnchor<'_>) -> Option<&RootLimits> {
        let mut roots = self.anchors.iter().zip(&self.limits);
        let root = roots.find(|(of_root, _)| std::ptr::eq(*of_root, anchor));
        root.map(|(_, limits)| limits)
    }
}

impl BundleSet {
    /// Puts bundles of different trust domains together.
    pub fn new(bundles: impl IntoIterator<Item = Bundle>) -> Result<Self, DuplicateTrustDomain> {
        let mut by_domain = BTreeMap::new();
        for bundle in bundles {
            let trust_domain = bundle.trust_domain.clone();
            if by_domain
                .insert(trust_domain.clone(), Arc::new(bundle))
                .is_some()
            {
                return Err(DuplicateTrustDomain(trust_domain));
            }
        }
        Ok(Self { by_domain })
    }

    /// Puts bundles together that are known to be of different trust domains.
    pub(crate) fn of_distinct(bundles: impl IntoIterator<Item = Arc<Bundle>>) -> Self {
        let with_domain = |bundle: Arc<Bundle>| (bundle.trust_domain.clone(), bundle);
        Self {
            by_domain: bundles.into_iter().map(with_domain).collect(),
        }
    }

    /// The bundle of one trust domain; without one, the domain is not trusted.
    pub fn get(&self, trust_domain: &TrustDomain) -> Option<&Arc<Bundle>> {
        self.by_domain.get(trust_domain)
    }

    /// All bundles, in the order of their trust domains.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Bundle>> {
        self.by_domain.values()
    }
}

impl From<Bundle> for BundleSet {
    fn from(bundle: Bundle) -> Self {
        Self::of_distinct([Arc::new(bundle)])
    }
}

fn read_root(
    der: &CertificateDer<'_>,
    trust_domain: &TrustDomain,
) -> Result<(TrustAnchor<'static>, RootLimits), SvidError> {
    let issuer = UnverifiedIssuer::read(der, trust_domain)?;
    let anchor = webpki::anchor_from_trusted_cert(der).map_err(|_| SvidError::Malformed)?;
    let limits = RootLimits {
        validity: issuer.validity,
        path_length: issuer.path_length,
    };
    Ok((anchor.to_owned(), limits))
}
