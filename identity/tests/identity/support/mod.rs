//! What several tests need.

pub mod der;
pub mod mint;
pub mod tls;

use std::sync::Arc;
use std::time::Duration;

use rustls::time_provider::TimeProvider;
use rustls_pki_types::{CertificateDer, UnixTime};
use taskpass_identity::TrustDomain;

/// A clock that stands still, at noon of 1 June 2026 unless told otherwise.
#[derive(Debug)]
pub struct Frozen(pub UnixTime);

impl TimeProvider for Frozen {
    fn current_time(&self) -> Option<UnixTime> {
        Some(self.0)
    }
}

pub fn clock() -> Arc<Frozen> {
    Arc::new(Frozen(now()))
}

/// Noon of 1 June 2026.
pub fn now() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(1_780_315_200))
}

pub fn later(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(now().as_secs() + seconds))
}

pub fn domain(name: &str) -> TrustDomain {
    name.parse().unwrap()
}

pub const HOUR: Duration = Duration::from_hours(1);

pub fn pem(certificates: &[CertificateDer<'_>]) -> String {
    let block = |der: &CertificateDer<'_>| {
        let text = data_encoding::BASE64.encode(der);
        let lines: Vec<&str> = text
            .as_bytes()
            .chunks(64)
            .map(|line| std::str::from_utf8(line).unwrap())
            .collect();
        let body = lines.join("\n");
        format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
    };
    certificates.iter().map(block).collect()
}
