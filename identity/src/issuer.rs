//! The rules for the certificate authorities above a leaf: intermediates and roots.

use rustls_pki_types::CertificateDer;
use x509_parser::extensions::BasicConstraints;

use crate::certificate::Certificate;
use crate::spiffe_id::TrustDomain;
use crate::svid_error::SvidError;
use crate::validity::Validity;

const SCHEME: &str = "spiffe://";

/// An authority that keeps all rules but is not yet known to be trusted.
pub(crate) struct UnverifiedIssuer<'a> {
    /// Its bytes.
    pub(crate) der: &'a CertificateDer<'a>,
    /// Its name in DER.
    pub(crate) subject: &'a [u8],
    /// When it is valid by its own word.
    pub(crate) validity: Validity,
    /// How many authorities may stand below it, where it says so.
    pub(crate) path_length: Option<u32>,
}

impl<'a> UnverifiedIssuer<'a> {
    /// Reads an authority's certificate and holds it against every rule that needs no other one
    /// ([X509-SVID](https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md), sections
    /// 3.2, 4.1 and 4.3).
    pub(crate) fn read(
        der: &'a CertificateDer<'a>,
        trust_domain: &TrustDomain,
    ) -> Result<Self, SvidError> {
        let certificate = Certificate::read(der)?;
        let path_length = match certificate.basic_constraints {
            Some(BasicConstraints {
                ca: true,
                path_len_constraint,
            }) => path_len_constraint,
            Some(BasicConstraints { ca: false, .. }) | None => return Err(SvidError::IssuerNotCa),
        };
        let usage = certificate.key_usage.as_ref();
        if !usage.is_some_and(|usage| usage.value.key_cert_sign()) {
            return Err(SvidError::IssuerMayNotSign);
        }
        check_purposes(&certificate)?;
        check_name(&certificate, trust_domain)?;
        Ok(Self {
            der,
            subject: certificate.subject,
            validity: certificate.validity,
            path_length,
        })
    }
}

/// An issuer that limits what it issues for has to allow what every leaf is for.
fn check_purposes(issuer: &Certificate<'_>) -> Result<(), SvidError> {
    match &issuer.purposes {
        Some(purposes) if !(purposes.any || purposes.server_auth && purposes.client_auth) => {
            Err(SvidError::IssuerPurpose)
        }
        Some(_) | None => Ok(()),
    }
}

/// An issuer needs no SPIFFE ID; one that it has is the trust domain's, without a path.
fn check_name(issuer: &Certificate<'_>, trust_domain: &TrustDomain) -> Result<(), SvidError> {
    let is_foreign = |uri: &&str| {
        let is_spiffe = uri
            .get(..SCHEME.len())
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case(SCHEME));
        is_spiffe && uri.strip_prefix(SCHEME) != Some(trust_domain.as_str())
    };
    if issuer.uris.value.iter().any(is_foreign) {
        return Err(SvidError::IssuerOfAnotherDomain(trust_domain.clone()));
    }
    Ok(())
}
