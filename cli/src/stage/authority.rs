//! The certificate authority of a stage.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rustls_pki_types::UnixTime;
use taskpass_identity::SpiffeId;
use taskpass_identity::ca::{CertificateAuthority, IssuedSvid};

use super::{StageError, TRUST_DOMAIN, write, write_private};

/// How long the authority lives.
const LIFETIME: Duration = Duration::from_secs(365 * 24 * 3600);
/// How long an SVID lives unless told otherwise: as short as in a real installation.
pub(crate) const SVID_LIFETIME: Duration = Duration::from_secs(3600);

/// Issues SVIDs, into files or as they are.
pub(crate) struct Authority {
    ca: CertificateAuthority,
    /// How long an SVID lives.
    pub(crate) svid_lifetime: Duration,
}

impl Authority {
    /// The authority that a folder holds, or a new one.
    pub(super) fn open(folder: &Path) -> Result<Self, StageError> {
        let (bundle, key) = (folder.join("bundle.pem"), folder.join("authority.key"));
        let trust_domain = TRUST_DOMAIN.parse()?;
        if let (Ok(certificate), Ok(key)) = (fs::read_to_string(&bundle), fs::read_to_string(&key))
        {
            let key = zeroize::Zeroizing::new(key);
            let ca = CertificateAuthority::from_pem(trust_domain, &certificate, &key)?;
            return Ok(Self::new(ca));
        }
        let authority = CertificateAuthority::new(trust_domain, LIFETIME, UnixTime::now())?;
        write_private(&key, authority.private_key_pem().as_bytes())?;
        write(&bundle, authority.certificate_pem().as_bytes())?;
        Ok(Self::new(authority))
    }

    fn new(ca: CertificateAuthority) -> Self {
        Self {
            ca,
            svid_lifetime: SVID_LIFETIME,
        }
    }

    /// Its certificate in PEM, which is also its trust domain's bundle.
    pub(crate) fn certificate_pem(&self) -> &str {
        self.ca.certificate_pem()
    }

    /// Issues an SVID.
    pub(crate) fn mint(&self, id: &SpiffeId) -> Result<IssuedSvid, StageError> {
        Ok(self.ca.issue(id, self.svid_lifetime, UnixTime::now())?)
    }

    /// Issues an SVID into `<files>.pem` and `<files>.key`, in the place of an older one.
    pub(crate) fn issue(&self, files: &Path, id: &SpiffeId) -> Result<(), StageError> {
        let issued = self.mint(id)?;
        write_private(
            &files.with_extension("key"),
            issued.private_key_pem.as_bytes(),
        )?;
        write_private(
            &files.with_extension("pem"),
            issued.certificates_pem.as_bytes(),
        )
    }
}
