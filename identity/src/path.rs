//! The path from a leaf over its issuers to a root.

use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter, VerifiedPath};

use crate::bundle::Bundle;
use crate::crypto::signature_algorithms;
use crate::issuer::UnverifiedIssuer;
use crate::svid_error::SvidError;
use crate::validity::Validity;

/// Finds a path to a root of the bundle, and says when all authorities on it are valid.
///
/// The signatures, and the dates, path lengths and name constraints of the intermediates, are
/// `webpki`'s to check. It takes roots as given, so their dates and path lengths are checked here.
pub(crate) fn verify(
    leaf: &CertificateDer<'_>,
    issuers: &[UnverifiedIssuer<'_>],
    bundle: &Bundle,
    now: UnixTime,
) -> Result<Validity, SvidError> {
    let trust_domain = bundle.trust_domain();
    if bundle.is_empty() {
        return Err(SvidError::EmptyBundle(trust_domain.clone()));
    }
    let intermediates: Vec<CertificateDer<'_>> =
        issuers.iter().map(|issuer| issuer.der.clone()).collect();
    let to_error = |error: webpki::Error| match error {
        webpki::Error::MaximumPathDepthExceeded => SvidError::ChainTooLong(issuers.len() + 1),
        other => error_of_path(&other, bundle),
    };

    let leaf = EndEntityCert::try_from(leaf).map_err(to_error)?;
    let path = leaf
        .verify_for_usage(
            signature_algorithms().all,
            bundle.anchors(),
            &intermediates,
            now,
            CheckedAlready,
            None,
            Some(&|path| check_root(path, bundle, now)),
        )
        .map_err(to_error)?;
    validity_of_issuers(&path, issuers, bundle)
        .ok_or_else(|| SvidError::UnknownIssuer(trust_domain.clone()))
}

/// Extended key usages are held against stricter rules when the certificates are read.
struct CheckedAlready;

impl ExtendedKeyUsageValidator for CheckedAlready {
    fn validate(&self, _: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        Ok(())
    }
}

fn check_root(
    path: &VerifiedPath<'_>,
    bundle: &Bundle,
    now: UnixTime,
) -> Result<(), webpki::Error> {
    let root = bundle.limits_of(path.anchor());
    let root = root.ok_or(webpki::Error::UnknownIssuer)?;
    let Validity {
        not_before,
        not_after,
    } = root.validity;
    if now > not_after {
        return Err(webpki::Error::CertExpired {
            time: now,
            not_after,
        });
    }
    if now < not_before {
        return Err(webpki::Error::CertNotValidYet {
            time: now,
            not_before,
        });
    }
    let intermediates = u32::try_from(path.intermediate_certificates().count());
    match (root.path_length, intermediates) {
        (None, _) => Ok(()),
        (Some(allowed), Ok(count)) if count <= allowed => Ok(()),
        (Some(_), _) => Err(webpki::Error::PathLenConstraintViolated),
    }
}

fn validity_of_issuers(
    path: &VerifiedPath<'_>,
    issuers: &[UnverifiedIssuer<'_>],
    bundle: &Bundle,
) -> Option<Validity> {
    let mut validity = bundle.limits_of(path.anchor())?.validity;
    for certificate in path.intermediate_certificates() {
        let der = certificate.der();
        let issuer = issuers.iter().find(|issuer| *issuer.der == der)?;
        validity = validity.intersect(issuer.validity);
    }
    Some(validity)
}

fn error_of_path(error: &webpki::Error, bundle: &Bundle) -> SvidError {
    use webpki::Error;
    match error {
        Error::BadDer
        | Error::BadDerTime
        | Error::TrailingData(_)
        | Error::ExtensionValueInvalid
        | Error::MalformedExtensions
        | Error::UnsupportedCertVersion
        | Error::InvalidCertValidity
        | Error::SignatureAlgorithmMismatch => SvidError::Malformed,
        // The leaf's own dates were checked before.
        Error::CertExpired { .. } => SvidError::IssuerExpired,
        Error::CertNotValidYet { .. } => SvidError::IssuerNotYetValid,
        Error::CaUsedAsEndEntity => SvidError::LeafIsCa,
        Error::EndEntityUsedAsCa => SvidError::IssuerNotCa,
        Error::UnknownIssuer => SvidError::UnknownIssuer(bundle.trust_domain().clone()),
        Error::InvalidSignatureForPublicKey => SvidError::BadSignature,
        Error::UnsupportedSignatureAlgorithmContext(_)
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            SvidError::SignatureAlgorithm
        }
        Error::PathLenConstraintViolated => SvidError::PathLength,
        Error::NameConstraintViolation | Error::MalformedNameConstraint => {
            SvidError::NameConstraints
        }
        other => SvidError::Path(other.to_string()),
    }
}
