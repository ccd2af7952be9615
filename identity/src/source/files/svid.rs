//! The two files of an X.509-SVID.

use std::sync::Arc;

use rustls::time_provider::TimeProvider;
use zeroize::Zeroizing;

use super::SvidPaths;
use super::error::{FileError, WhyFile};
use super::poll::Load;
use super::read;
use crate::svid::{InvalidX509Svid, X509Svid};

pub(super) struct SvidFiles {
    pub(super) paths: SvidPaths,
    pub(super) time: Arc<dyn TimeProvider>,
}

impl Load for SvidFiles {
    type Value = X509Svid;

    fn read(&self) -> Result<Vec<Zeroizing<Vec<u8>>>, FileError> {
        Ok(vec![
            read::public(&self.paths.certificate)?,
            read::private(&self.paths.private_key)?,
        ])
    }

    fn parse(&self, contents: &[Zeroizing<Vec<u8>>]) -> Result<X509Svid, FileError> {
        let (certificates, private_key) = match contents {
            [certificates, private_key] => (certificates.as_slice(), private_key.as_slice()),
            _ => Default::default(),
        };
        let svid = X509Svid::from_pem(certificates, private_key).map_err(|why| {
            let path = match why {
                InvalidX509Svid::KeyPem | InvalidX509Svid::NoKey | InvalidX509Svid::Key => {
                    &self.paths.private_key
                }
                InvalidX509Svid::CertificatePem(_)
                | InvalidX509Svid::Certificate(_)
                | InvalidX509Svid::KeyMismatch => &self.paths.certificate,
            };
            FileError {
                path: path.clone(),
                why: why.into(),
            }
        })?;
        self.check_dates(&svid)?;
        Ok(svid)
    }

    fn log(&self, svid: &X509Svid) {
        tracing::info!(
            svid.id = %svid.id(),
            svid.expires_at = svid.expires_at().as_secs(),
            "svid taken over"
        );
    }
}

impl SvidFiles {
    fn check_dates(&self, svid: &X509Svid) -> Result<(), FileError> {
        let why = match self.time.current_time() {
            Some(now) if now > svid.validity().not_after => WhyFile::Expired,
            Some(now) if now >= svid.validity().not_before => return Ok(()),
            Some(_) | None => WhyFile::NotYetValid,
        };
        Err(FileError {
            path: self.paths.certificate.clone(),
            why,
        })
    }
}
