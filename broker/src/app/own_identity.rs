//! The broker's own SVID, and whom it trusts.

use std::sync::Arc;
use std::time::Duration;

use rustls::time_provider::DefaultTimeProvider;
use taskpass_identity::source::origin::{Ground, open_bundles};
use taskpass_identity::source::workload_api::PATIENCE;
use taskpass_identity::tls::TlsIdentity;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::StartError;
use super::health::SvidHealth;
use crate::config::BrokerConfig;
use crate::domain::time::UnixMillis;

/// The broker's SVID and whom it trusts, as they change.
pub(super) struct OwnIdentity {
    /// Both, for connections.
    pub(super) tls: TlsIdentity,
    /// What to do where the SVID has expired.
    remedy: &'static str,
}

impl OwnIdentity {
    /// Opens the sources and keeps them fresh.
    pub(super) async fn open(
        config: &BrokerConfig,
        tasks: &mut JoinSet<()>,
        stop: &CancellationToken,
    ) -> Result<Self, StartError> {
        Self::within(PATIENCE, config, tasks, stop).await
    }

    /// The same, with another patience for the first answer of a Workload API.
    pub(super) async fn within(
        patience: Duration,
        config: &BrokerConfig,
        tasks: &mut JoinSet<()>,
        stop: &CancellationToken,
    ) -> Result<Self, StartError> {
        let time = Arc::new(DefaultTimeProvider);
        let mut ground = Ground {
            time: Arc::clone(&time) as _,
            patience,
            tasks,
            stop: stop.clone(),
        };
        let svids = config.svid.open(&mut ground).await?;
        let bundles = open_bundles(&config.trust_domains, &mut ground).await?;
        let own = svids.current();
        if *own.id() != config.spiffe_id {
            return Err(StartError::OtherSvid {
                origin: config.svid.to_string(),
                found: own.id().to_string(),
                expected: config.spiffe_id.to_string(),
            });
        }
        let tls = TlsIdentity {
            svids,
            bundles,
            time,
        };
        Ok(Self {
            tls,
            remedy: config.svid.remedy(),
        })
    }

    /// How it stands, whenever it is asked.
    pub(super) fn health(&self) -> Box<dyn Fn() -> SvidHealth + Send + Sync> {
        let (svids, bundles) = (Arc::clone(&self.tls.svids), Arc::clone(&self.tls.bundles));
        let remedy = self.remedy;
        Box::new(move || {
            let svid = svids.current();
            SvidHealth {
                expires_at: UnixMillis::new(svid.expires_at().as_secs() * 1000),
                is_withdrawn: svid.is_withdrawn(),
                remedy,
                problem: svids.problem().or_else(|| bundles.problem()),
            }
        })
    }
}
