//! Who may call at all: checked on every call, not only at the handshake.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use rustls_pki_types::UnixTime;
use taskpass_identity::{BundleSource, PeerSvid, SpiffeId};
use taskpass_proto::holder::HolderSecret;
use taskpass_proto::reason::Reason;
use taskpass_proto::refusal::Refusal;

use super::Operations;
use crate::domain::binding::Thumbprint;
use crate::domain::job::Owner;
use crate::domain::session::Heard;
use crate::ports::store::sessions::Session;

/// Checks callers.
pub struct Gate {
    operations: Arc<Operations>,
    bundles: Arc<dyn BundleSource>,
    limiter: DefaultKeyedRateLimiter<SpiffeId>,
}

/// How many calls a workload may make.
#[derive(Debug, Clone, Copy)]
pub struct CallQuota {
    /// Calls a second, over time.
    pub per_second: NonZeroU32,
    /// Calls at once.
    pub burst: NonZeroU32,
}

/// What a call does, as far as the gate is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallKind {
    /// Asks for something: counted against the workload's share.
    Asks,
    /// Gives something back or keeps it alive: never refused for its number.
    GivesBack,
}

/// A workload that may call now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Its SPIFFE ID, proven by TLS.
    pub subject: SpiffeId,
    /// The certificate that it proved that with.
    pub certificate: Thumbprint,
}

/// A holder, as a request names it.
#[derive(Debug, Clone)]
pub struct HolderClaim {
    /// The secret.
    pub secret: HolderSecret,
    /// Raised at each start.
    pub incarnation: u64,
}

impl Gate {
    /// Checks callers against these bundles, and counts their calls.
    pub fn new(
        operations: Arc<Operations>,
        bundles: Arc<dyn BundleSource>,
        quota: CallQuota,
    ) -> Self {
        let quota = Quota::per_second(quota.per_second).allow_burst(quota.burst);
        Self {
            operations,
            bundles,
            limiter: RateLimiter::keyed(quota),
        }
    }

    /// Admits a call by the peer of a connection.
    pub fn admit(&self, peer: &PeerSvid, kind: CallKind) -> Result<Caller, Refusal> {
        let now = self.operations.now();
        let at = UnixTime::since_unix_epoch(Duration::from_millis(now.as_millis()));
        if let Err(error) = peer.recheck(&self.bundles.current(), at) {
            metrics::counter!("taskpass_calls_refused_total", "why" => error.code()).increment(1);
            tracing::info!(peer.id = %peer.id(), error.code = error.code(), "call refused");
            return Err(Refusal::new(
                Reason::SvidRefused,
                "the SVID of this connection is not valid any more; rotate it and connect again",
            ));
        }
        let subject = peer.id();
        if self
            .operations
            .bans
            .load()
            .on_workload(subject, now)
            .is_some()
        {
            return Err(banned());
        }
        if kind == CallKind::Asks {
            self.limiter.check_key(subject).map_err(|until| {
                let wait = until.wait_time_from(DefaultClock::default().now());
                Refusal::new(
                    Reason::RateLimited,
                    "this workload sends more than its share",
                )
                .retry_after(wait)
            })?;
        }
        Ok(Caller {
            subject: subject.clone(),
            certificate: Thumbprint::new(*peer.thumbprint()),
        })
    }

    /// Forgets workloads that have not called for a while.
    pub fn tidy(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }
}

impl Operations {
    /// Admits a holder: not banned, and not superseded by a newer start of itself.
    pub(super) async fn admit_holder(
        &self,
        caller: &Caller,
        holder: &HolderClaim,
    ) -> Result<Owner, Refusal> {
        let owner = self.owner(caller, holder)?;
        let since_boot = self.clock.since_boot();
        let heard = self.sessions.lock().check(&owner, holder.incarnation);
        if heard == Heard::Newer {
            self.record_newer_start(&owner, holder.incarnation).await?;
        }
        match self
            .sessions
            .lock()
            .hear(&owner, holder.incarnation, since_boot)
        {
            Heard::Superseded => Err(superseded()),
            Heard::Known | Heard::Newer => Ok(owner),
        }
    }

    /// The owner that a call names, unless its holder is banned.
    pub(super) fn owner(&self, caller: &Caller, holder: &HolderClaim) -> Result<Owner, Refusal> {
        let owner = Owner {
            subject: caller.subject.clone(),
            holder: holder.secret.hash(),
        };
        match self.bans.load().on_holder(owner.holder, self.now()) {
            Some(_) => Err(banned()),
            None => Ok(owner),
        }
    }

    /// Makes a newer start durable, so that the older one stays superseded after a restart of the broker.
    async fn record_newer_start(&self, owner: &Owner, incarnation: u64) -> Result<(), Refusal> {
        let known = self
            .store
            .session(owner)
            .map_err(|e| self.store_failed(&e))?;
        if known
            .as_ref()
            .is_some_and(|session| incarnation < session.incarnation)
        {
            return Err(superseded());
        }
        let host = known
            .as_ref()
            .map(|session| session.host.clone())
            .unwrap_or_default();
        if known.is_none_or(|session| session.incarnation < incarnation) {
            let session = Session {
                owner: owner.clone(),
                incarnation,
                last_seen: self.now(),
                host,
            };
            self.store
                .touch(session)
                .await
                .map_err(|e| self.store_failed(&e))?;
        }
        Ok(())
    }
}

pub(super) fn banned() -> Refusal {
    Refusal::new(
        Reason::WorkloadBanned,
        "this workload or holder is banned; ask an operator",
    )
}

pub(super) fn superseded() -> Refusal {
    Refusal::new(
        Reason::Superseded,
        "a newer start of this holder has taken over; stop this one",
    )
}
