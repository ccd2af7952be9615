//! Why a chain of certificates is not a trusted X.509-SVID.

use crate::spiffe_id::{InvalidSpiffeId, SpiffeId, TrustDomain};

/// Why a peer's certificates were refused.
///
/// The text is for our own logs; a peer learns no more than that its certificate was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SvidError {
    /// No certificate was presented.
    #[error("no certificate was presented")]
    NoCertificate,
    /// More certificates than anybody needs.
    #[error("a chain has at most 8 certificates and 6 authorities below a root; this one has {0}")]
    ChainTooLong(usize),
    /// More authorities of one name than a search for a path should have to try.
    #[error("more than 3 authorities in the chain have the same name")]
    AmbiguousIssuers,
    /// Not the DER of an X.509 v3 certificate.
    #[error("not a well-formed X.509 v3 certificate")]
    Malformed,
    /// An extension stands twice in one certificate.
    #[error("an extension stands twice in one certificate")]
    DuplicateExtension,
    /// A critical extension that is not evaluated here.
    #[error("the critical extension `{0}` is not known here")]
    UnknownCriticalExtension(String),
    /// A key that is too weak, too costly to check, or of another kind.
    #[error("keys are RSA of 2048 to 4096 bits, P-256, P-384 or Ed25519")]
    KeyNotAllowed,

    /// The leaf has no URI among its alternative names.
    #[error("the leaf has no URI as a subject alternative name, so it names no SPIFFE ID")]
    NoSpiffeId,
    /// The leaf has several URIs, of whatever scheme.
    #[error("the leaf has {0} URIs as subject alternative names instead of one")]
    SeveralUris(usize),
    /// The leaf's URI is not a canonical SPIFFE ID of a workload.
    #[error("the leaf's URI is not a SPIFFE ID: {0}")]
    InvalidSpiffeId(#[from] InvalidSpiffeId),
    /// The leaf is a certificate authority.
    #[error("the leaf is a certificate authority (`cA` is true)")]
    LeafIsCa,
    /// The leaf does not say that it is no certificate authority.
    #[error("the leaf has no basic constraints; `cA` has to be false")]
    LeafWithoutBasicConstraints,
    /// The leaf does not say what its key may be used for.
    #[error("the leaf has no key usage; it needs a critical one with `digitalSignature`")]
    LeafWithoutKeyUsage,
    /// The leaf's key usage is not critical.
    #[error("the leaf's key usage is not critical")]
    LeafKeyUsageNotCritical,
    /// The leaf's key may not sign a handshake.
    #[error("the leaf's key usage lacks `digitalSignature`")]
    LeafWithoutDigitalSignature,
    /// The leaf's key may sign certificates.
    #[error("the leaf's key usage has `keyCertSign`")]
    LeafMaySignCertificates,
    /// The leaf's key may sign revocation lists.
    #[error("the leaf's key usage has `cRLSign`")]
    LeafMaySignCrls,
    /// The leaf has an extended key usage for one direction only, or for something else.
    #[error("the leaf's extended key usage lacks `serverAuth` or `clientAuth`")]
    LeafPurpose,
    /// The leaf constrains names, which only authorities may.
    #[error("the leaf has name constraints")]
    LeafConstrainsNames,
    /// The leaf has neither a subject nor a critical alternative name.
    #[error("the leaf's subject is empty, so its alternative names have to be critical")]
    AlternativeNamesNotCritical,
    /// The leaf is no longer valid.
    #[error("the leaf has expired")]
    Expired,
    /// The leaf is not valid yet.
    #[error("the leaf is not valid yet")]
    NotYetValid,

    /// There is no bundle for the leaf's trust domain.
    #[error("there is no bundle for the trust domain `{0}`")]
    UntrustedDomain(TrustDomain),
    /// The bundle of the leaf's trust domain has no roots, so nobody of it is trusted.
    #[error("the bundle of the trust domain `{0}` is empty")]
    EmptyBundle(TrustDomain),
    /// An issuer is no certificate authority.
    #[error("an issuer is no certificate authority (`cA` is not true)")]
    IssuerNotCa,
    /// An issuer's key may not sign certificates.
    #[error("an issuer's key usage lacks `keyCertSign`")]
    IssuerMayNotSign,
    /// An issuer's own SPIFFE ID is not that of the leaf's trust domain.
    #[error("an issuer names another SPIFFE ID than its trust domain's, `spiffe://{0}`")]
    IssuerOfAnotherDomain(TrustDomain),
    /// An issuer may not issue for both directions of TLS.
    #[error("an issuer's extended key usage lacks `serverAuth` or `clientAuth`")]
    IssuerPurpose,
    /// An issuer on the path is no longer valid.
    #[error("an issuer has expired")]
    IssuerExpired,
    /// An issuer on the path is not valid yet.
    #[error("an issuer is not valid yet")]
    IssuerNotYetValid,
    /// No path leads to a root of the leaf's trust domain.
    #[error("no path leads to a root of the trust domain `{0}`")]
    UnknownIssuer(TrustDomain),
    /// A signature on the path does not fit.
    #[error("a signature does not fit its issuer's key")]
    BadSignature,
    /// A certificate is signed with an algorithm that is not accepted.
    #[error("a certificate is signed with an algorithm that is not accepted")]
    SignatureAlgorithm,
    /// More authorities on the path than one of them allows.
    #[error("the path is longer than an issuer's path length constraint allows")]
    PathLength,
    /// A name on the path is not allowed by an issuer, or its constraints are not evaluated here.
    #[error("an issuer's name constraints do not allow this, or are not evaluated here")]
    NameConstraints,
    /// The path is invalid for another reason.
    #[error("the path to a root is not valid: {0}")]
    Path(String),

    /// A trusted SVID, of another workload than the one that is called.
    #[error("expected `{expected}`, and `{presented}` answered")]
    UnexpectedId {
        /// Who was called.
        expected: SpiffeId,
        /// Who answered.
        presented: SpiffeId,
    },
}

impl SvidError {
    /// A short label for metrics; it never changes and never holds input.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoCertificate => "no_certificate",
            Self::ChainTooLong(_) => "chain_too_long",
            Self::AmbiguousIssuers => "ambiguous_issuers",
            Self::Malformed => "malformed",
            Self::DuplicateExtension => "duplicate_extension",
            Self::UnknownCriticalExtension(_) => "unknown_critical_extension",
            Self::KeyNotAllowed => "key_not_allowed",
            Self::NoSpiffeId => "no_spiffe_id",
            Self::SeveralUris(_) => "several_uris",
            Self::InvalidSpiffeId(_) => "invalid_spiffe_id",
            Self::LeafIsCa => "leaf_is_ca",
            Self::LeafWithoutBasicConstraints => "leaf_without_basic_constraints",
            Self::LeafWithoutKeyUsage => "leaf_without_key_usage",
            Self::LeafKeyUsageNotCritical => "leaf_key_usage_not_critical",
            Self::LeafWithoutDigitalSignature => "leaf_without_digital_signature",
            Self::LeafMaySignCertificates => "leaf_may_sign_certificates",
            Self::LeafMaySignCrls => "leaf_may_sign_crls",
            Self::LeafPurpose => "leaf_purpose",
            Self::LeafConstrainsNames => "leaf_constrains_names",
            Self::AlternativeNamesNotCritical => "alternative_names_not_critical",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::UntrustedDomain(_) => "untrusted_domain",
            Self::EmptyBundle(_) => "empty_bundle",
            Self::IssuerNotCa => "issuer_not_ca",
            Self::IssuerMayNotSign => "issuer_may_not_sign",
            Self::IssuerOfAnotherDomain(_) => "issuer_of_another_domain",
            Self::IssuerPurpose => "issuer_purpose",
            Self::IssuerExpired => "issuer_expired",
            Self::IssuerNotYetValid => "issuer_not_yet_valid",
            Self::UnknownIssuer(_) => "unknown_issuer",
            Self::BadSignature => "bad_signature",
            Self::SignatureAlgorithm => "signature_algorithm",
            Self::PathLength => "path_length",
            Self::NameConstraints => "name_constraints",
            Self::Path(_) => "path",
            Self::UnexpectedId { .. } => "unexpected_id",
        }
    }
}
