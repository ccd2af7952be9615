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

    fn parse(
        &self,
        contents: &[Zeroizing<Vec<u8>>],
        in_force: Option<&X509Svid>,
    ) -> Result<X509Svid, FileError> {
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
        let checked = self.check_dates(&svid).and_then(|()| {
            // Jobs hang off who we are, and who we are does not change under way.
            in_force.map_or(Ok(()), |in_force| check_id(&svid, in_force))
        });
        checked.map_err(|why| self.error(why))?;
        Ok(svid)
    }

    fn recheck(&self, in_force: &X509Svid) -> Result<(), FileError> {
        self.check_dates(in_force).map_err(|why| self.error(why))
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
    fn error(&self, why: WhyFile) -> FileError {
        FileError {
            path: self.paths.certificate.clone(),
            why,
        }
    }

    fn check_dates(&self, svid: &X509Svid) -> Result<(), WhyFile> {
        match self.time.current_time() {
            Some(now) if now > svid.validity().not_after => Err(WhyFile::Expired),
            Some(now) if now >= svid.validity().not_before => Ok(()),
            Some(_) | None => Err(WhyFile::NotYetValid),
        }
    }
}

fn check_id(svid: &X509Svid, in_force: &X509Svid) -> Result<(), WhyFile> {
    if svid.id() == in_force.id() {
        return Ok(());
    }
    Err(WhyFile::AnotherWorkload {
        in_force: in_force.id().clone(),
        found: svid.id().clone(),
    })
}
