//! The rules for the leaf of an X.509-SVID.

use x509_parser::extensions::BasicConstraints;

use crate::certificate::Certificate;
use crate::spiffe_id::SpiffeId;
use crate::svid_error::SvidError;
use crate::validity::Validity;

/// A leaf that keeps all rules but is not yet known to be trusted.
pub(crate) struct UnverifiedLeaf {
    /// Who it claims to be.
    pub(crate) id: SpiffeId,
    /// When it is valid by its own word.
    pub(crate) validity: Validity,
}

impl UnverifiedLeaf {
    /// Reads a leaf and holds it against every rule that needs no other certificate
    /// ([X509-SVID](https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md), sections
    /// 2, 3.1, 4 and 5.2).
    pub(crate) fn read(der: &[u8]) -> Result<Self, SvidError> {
        let certificate = Certificate::read(der)?;
        check_constraints(&certificate)?;
        check_key_usage(&certificate)?;
        check_purposes(&certificate)?;
        Ok(Self {
            id: spiffe_id(&certificate)?,
            validity: certificate.validity,
        })
    }
}

fn check_constraints(leaf: &Certificate<'_>) -> Result<(), SvidError> {
    match leaf.basic_constraints {
        None => return Err(SvidError::LeafWithoutBasicConstraints),
        Some(BasicConstraints { ca: true, .. }) => return Err(SvidError::LeafIsCa),
        Some(BasicConstraints { ca: false, .. }) => {}
    }
    if leaf.constrains_names {
        return Err(SvidError::LeafConstrainsNames);
    }
    Ok(())
}

fn check_key_usage(leaf: &Certificate<'_>) -> Result<(), SvidError> {
    let usage = leaf.key_usage.as_ref();
    let usage = usage.ok_or(SvidError::LeafWithoutKeyUsage)?;
    if usage.value.key_cert_sign() {
        return Err(SvidError::LeafMaySignCertificates);
    }
    if usage.value.crl_sign() {
        return Err(SvidError::LeafMaySignCrls);
    }
    if !usage.value.digital_signature() {
        return Err(SvidError::LeafWithoutDigitalSignature);
    }
    if !usage.is_critical {
        return Err(SvidError::LeafKeyUsageNotCritical);
    }
    Ok(())
}

fn check_purposes(leaf: &Certificate<'_>) -> Result<(), SvidError> {
    match &leaf.purposes {
        Some(purposes) if !(purposes.server_auth && purposes.client_auth) => {
            Err(SvidError::LeafPurpose)
        }
        Some(_) | None => Ok(()),
    }
}

fn spiffe_id(leaf: &Certificate<'_>) -> Result<SpiffeId, SvidError> {
    if leaf.subject_is_empty && !leaf.uris.is_critical && !leaf.uris.value.is_empty() {
        return Err(SvidError::AlternativeNamesNotCritical);
    }
    match leaf.uris.value.as_slice() {
        [] => Err(SvidError::NoSpiffeId),
        [uri] => Ok(uri.parse()?),
        several => Err(SvidError::SeveralUris(several.len())),
    }
}
