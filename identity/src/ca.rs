//! A small certificate authority for `taskpass dev`, `taskpass demo` and tests.
//!
//! It makes X.509-SVIDs as the specification wants them, and no more: no revocation, no
//! intermediates. A real installation has SPIRE or another SPIFFE implementation.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};
use rustls_pki_types::UnixTime;
use zeroize::Zeroizing;

use crate::bundle::{Bundle, InvalidBundle};
use crate::spiffe_id::{SpiffeId, TrustDomain};
use crate::svid::{InvalidX509Svid, X509Svid};

/// Clocks of one machine or one test differ by less.
const BACKDATED: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_hours(10 * 365 * 24);

/// An authority for one trust domain, with its key.
pub struct CertificateAuthority {
    trust_domain: TrustDomain,
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
    Root(#[from] InvalidBundle),
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
        Ok(Self {
            trust_domain,
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
        Bundle::from_pem(trust_domain.clone(), certificate_pem.as_bytes())?;
        let key = KeyPair::from_pem(private_key_pem)?;
        Ok(Self {
            trust_domain,
            issuer: Issuer::from_ca_cert_pem(certificate_pem, key)?,
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

    /// Its trust domain's bundle.
    pub fn bundle(&self) -> Result<Bundle, CaError> {
        let pem = self.certificate_pem.as_bytes();
        Ok(Bundle::from_pem(self.trust_domain.clone(), pem)?)
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
