//! A small certificate authority for `taskpass dev`, `taskpass demo` and tests.
//!
//! It makes X.509-SVIDs as the specification wants them, and no more: no revocation, no
//! intermediates. A real installation has SPIRE or another SPIFFE implementation.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SanType, date_time_ymd,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::EndEntityCert;
use zeroize::Zeroizing;

use crate::bundle::{Bundle, InvalidBundle};
use crate::issuer::UnverifiedIssuer;
use crate::spiffe_id::{SpiffeId, TrustDomain};
use crate::svid::{InvalidX509Svid, X509Svid};
use crate::svid_error::SvidError;
use crate::validity::Validity;

/// Clocks of one machine or one test differ by less.
const BACKDATED: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_hours(10 * 365 * 24);

/// An authority for one trust domain, with its key.
pub struct CertificateAuthority {
    trust_domain: TrustDomain,
    validity: Validity,
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
}

/// An X.509-SVID in PEM.
pub struct IssuedSvid {
    /// The certificates, leaf first.
    pub certificates_pem: String,
    /// The private key (PKCS #8).
    pub private_key_pem: Zeroizing<String>,
}

/// Why the authority could not be made or could not issue.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// A certificate or key could not be made or read.
    #[error("the certificate authority failed: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The stored certificate is not a root of the trust domain.
    #[error("the certificate authority's own certificate cannot be used: {0}")]
    Root(#[from] SvidError),
    /// The stored key is not the stored certificate's.
    #[error("the certificate authority's key does not belong to its certificate")]
    KeyMismatch,
    /// An SVID of another trust domain was asked for.
    #[error(
        "`{id}` is not of the trust domain `{trust_domain}`, which is all this authority vouches for"
    )]
    AnotherDomain {
        /// Who was asked for.
        id: SpiffeId,
        /// What the authority vouches for.
        trust_domain: TrustDomain,
    },
}

impl CertificateAuthority {
    /// Makes an authority with a new key.
    pub fn new(
        trust_domain: TrustDomain,
        lifetime: Duration,
        now: UnixTime,
    ) -> Result<Self, CaError> {
        let key = new_key()?;
        let mut params = params(lifetime, now);
        params
            .distinguished_name
            .push(DnType::CommonName, "Taskpass development authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.subject_alt_names = vec![uri(&format!("spiffe://{trust_domain}"))?];
        let certificate_pem = params.self_signed(&key)?.pem();
        let (_, validity) = read_root(&certificate_pem, &trust_domain)?;
        Ok(Self {
            trust_domain,
            validity,
            issuer: Issuer::new(params, key),
            certificate_pem,
        })
    }

    /// Takes up an authority that was kept as PEM.
    pub fn from_pem(
        trust_domain: TrustDomain,
        certificate_pem: &str,
        private_key_pem: &str,
    ) -> Result<Self, CaError> {
        let key = KeyPair::from_pem(private_key_pem)?;
        let (der, validity) = read_root(certificate_pem, &trust_domain)?;
        let certificate = EndEntityCert::try_from(&der).map_err(|_| SvidError::Malformed)?;
        if certificate.subject_public_key_info().as_ref() != key.subject_public_key_info() {
            return Err(CaError::KeyMismatch);
        }
        Ok(Self {
            trust_domain,
            validity,
            issuer: Issuer::from_ca_cert_der(&der, key)?,
            certificate_pem: certificate_pem.to_owned(),
        })
    }

    /// Its certificate in PEM, which is also its trust domain's bundle.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Its private key in PEM, to be kept where nobody else can read it.
    pub fn private_key_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(self.issuer.key().serialize_pem())
    }

    /// Whom it vouches for.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// When its own certificate is valid; nothing that it issues is trusted beyond that.
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// Its trust domain's bundle.
    pub fn bundle(&self) -> Result<Bundle, InvalidBundle> {
        Bundle::from_pem(self.trust_domain.clone(), self.certificate_pem.as_bytes())
    }

    /// Issues an X.509-SVID with a new P-256 key.
    pub fn issue(
        &self,
        id: &SpiffeId,
        lifetime: Duration,
        now: UnixTime,
    ) -> Result<IssuedSvid, CaError> {
        if id.trust_domain() != &self.trust_domain {
            return Err(CaError::AnotherDomain {
                id: id.clone(),
                trust_domain: self.trust_domain.clone(),
            });
        }
        let key = new_key()?;
        let mut params = params(lifetime, now);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.subject_alt_names = vec![uri(id.as_str())?];
        params.use_authority_key_identifier_extension = true;
        Ok(IssuedSvid {
            certificates_pem: params.signed_by(&key, &self.issuer)?.pem(),
            private_key_pem: Zeroizing::new(key.serialize_pem()),
        })
    }
}

impl IssuedSvid {
    /// The same, ready for use.
    pub fn parse(&self) -> Result<X509Svid, InvalidX509Svid> {
        X509Svid::from_pem(
            self.certificates_pem.as_bytes(),
            self.private_key_pem.as_bytes(),
        )
    }
}

/// Reads an authority's own certificate, and holds it against the rules for roots.
fn read_root(
    pem: &str,
    trust_domain: &TrustDomain,
) -> Result<(CertificateDer<'static>, Validity), CaError> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| SvidError::Malformed)?;
    let validity = UnverifiedIssuer::read(&der, trust_domain)?.validity;
    Ok((der, validity))
}

/// What authorities and leaves have in common.
fn params(lifetime: Duration, now: UnixTime) -> CertificateParams {
    let now = Duration::from_secs(now.as_secs());
    let mut params = CertificateParams::default();
    params.not_before = date_time_ymd(1970, 1, 1) + now.saturating_sub(BACKDATED);
    params.not_after = date_time_ymd(1970, 1, 1) + now + lifetime.min(LONGEST);
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Taskpass");
    params
}

fn new_key() -> Result<KeyPair, rcgen::Error> {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)
}

fn uri(text: &str) -> Result<SanType, rcgen::Error> {
    Ok(SanType::URI(text.try_into()?))
}
