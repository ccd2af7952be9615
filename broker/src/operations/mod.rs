//! The use cases, one a file. Each takes an admitted caller and a parsed request, asks the domain, and
//! makes the outcome durable before it is told.
//!
//! - [`gate`]: who may call at all
//! - [`open_job`], [`issue`], [`renew`], [`end_job`], [`heartbeat`], [`introspect`]: the workload's side
//! - [`watch_revocations`]: the verifier's side
//! - [`revoke_lease`], [`ban`], [`inspect`], [`back_up`]: the operator's side
//! - [`expire`], [`silence`], [`forget_holders`]: what the clock does
//! - [`restored`]: what a start from a backup does
//! - [`policy_change`]: what a change of policy does to open jobs
//! - [`policy_in_force`], [`denials`], [`pending_ends`], [`notices`], [`store_trouble`]: state that the use
//!   cases share
//! - [`audit_log`]: the Merkle tree over the audit records
//! - [`tokens`]: from what policy permits to leases, and from leases to tokens

pub mod audit_log;
pub mod back_up;
pub mod ban;
pub mod bindings;
pub mod denials;
pub mod end_job;
pub mod expire;
pub mod forget_holders;
pub mod gate;
pub mod heartbeat;
pub mod inspect;
pub mod introspect;
pub mod issue;
pub mod notices;
pub mod open_job;
pub mod pending_ends;
pub mod policy_change;
pub mod policy_in_force;
pub mod renew;
pub mod restored;
pub mod revoke_lease;
pub mod silence;
pub mod store_trouble;
pub mod tokens;
pub mod watch_revocations;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use taskpass_proto::ids::type_id;
use taskpass_proto::reason::Reason;
use taskpass_proto::refusal::Refusal;

use crate::domain::ban::Bans;
use crate::domain::clock_guard::{ClockGuard, ClockState};
use crate::domain::session::{Rhythm, Sessions};
use crate::domain::time::UnixMillis;
use crate::ports::clock::Clock;
use crate::ports::random::{self, Random};
use crate::ports::signer::{Signer, TokenReader};
use crate::ports::store::{Store, StoreError};

/// The use cases with everything that they need.
pub struct Operations {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    signer: Arc<dyn Signer>,
    tokens: introspect::KnownTokens,
    policy: policy_in_force::PolicyInForce,
    policy_change: policy_change::PolicyChange,
    bans: ArcSwap<Bans>,
    sessions: Mutex<Sessions>,
    notices: notices::Notices,
    pub(crate) pending_ends: pending_ends::PendingEnds,
    denials: denials::Denials,
    clock_guard: Mutex<ClockGuard>,
    store_trouble: store_trouble::StoreTrouble,
    audit_log: Arc<audit_log::AuditLog>,
    settings: Settings,
}

/// What the configuration says of the use cases.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The issuer's URL: `iss`.
    pub issuer: String,
    /// How often holders beat.
    pub rhythm: Rhythm,
    /// How long ended jobs are kept.
    pub retention: Duration,
    /// Drawn with the store: what is numbered means something under it only.
    pub epoch: Vec<u8>,
}

/// What the use cases are built from.
pub struct Parts {
    /// Everything durable.
    pub store: Arc<dyn Store>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// Signs tokens.
    pub signer: Arc<dyn Signer>,
    /// Recognises them.
    pub reader: Arc<dyn TokenReader>,
    /// The Merkle tree over the audit records.
    pub audit_log: Arc<audit_log::AuditLog>,
    /// The configuration.
    pub settings: Settings,
}

impl Operations {
    /// Builds the use cases and takes up what the store holds: bans, and holders with open jobs, which
    /// have one whole limit to be heard of.
    pub fn new(parts: Parts) -> Result<Self, StoreError> {
        let Parts {
            store,
            clock,
            random,
            signer,
            reader,
            audit_log,
            settings,
        } = parts;
        let mut sessions = Sessions::new(settings.rhythm);
        let since_boot = clock.since_boot();
        for owner in store.announced_owners()? {
            let incarnation = store
                .session(&owner)?
                .map_or(0, |session| session.incarnation);
            sessions.expect(owner, incarnation, since_boot);
        }
        Ok(Self {
            bans: ArcSwap::from_pointee(Bans::new(store.bans()?)),
            clock_guard: Mutex::new(ClockGuard::new(clock.now(), since_boot)),
            tokens: introspect::KnownTokens::new(reader),
            policy: policy_in_force::PolicyInForce::default(),
            policy_change: policy_change::PolicyChange::default(),
            sessions: Mutex::new(sessions),
            notices: notices::Notices::default(),
            pending_ends: pending_ends::PendingEnds::default(),
            denials: denials::Denials::default(),
            store_trouble: store_trouble::StoreTrouble::default(),
            store,
            clock,
            random,
            signer,
            audit_log,
            settings,
        })
    }

    /// The wall clock now.
    pub fn now(&self) -> UnixMillis {
        self.clock.now()
    }

    /// The configuration.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How many holders are live.
    pub fn live_sessions(&self) -> usize {
        self.sessions.lock().len()
    }

    /// How many jobs are open.
    pub fn open_jobs(&self) -> Result<u64, StoreError> {
        self.store.count_open()
    }

    /// Whether the wall clock can be believed. While it cannot, nothing is issued and nothing expires.
    pub fn clock_state(&self) -> ClockState {
        self.clock_guard
            .lock()
            .look(self.clock.now(), self.clock.since_boot())
    }

    /// An id for a decision: the caller's correlation id, and the key to its audit record.
    fn decision_id(&self, now: UnixMillis) -> Result<String, Refusal> {
        let random = random::array(self.random.as_ref()).map_err(|_| internal("no randomness"))?;
        Ok(type_id("dec_", now.as_millis(), random))
    }

    /// The Merkle tree over the audit records.
    pub fn audit_log(&self) -> &Arc<audit_log::AuditLog> {
        &self.audit_log
    }

    /// Refuses while the clock steps, and while the audit log is broken.
    fn refuse_unless_sound(&self) -> Result<(), Refusal> {
        self.refuse_unless_clock_is_steady()?;
        self.refuse_unless_store_is_sound()?;
        if self.audit_log.is_broken() {
            return Err(Refusal::new(
                Reason::StoreUnavailable,
                "the broker's audit log does not fit its store, so nothing is issued until an operator has \
                 looked",
            ));
        }
        Ok(())
    }

    fn refuse_unless_clock_is_steady(&self) -> Result<(), Refusal> {
        match self.clock_state() {
            ClockState::Steady => Ok(()),
            ClockState::Stepped { steady_in } => Err(Refusal::new(
                Reason::ClockUncertain,
                "the broker's clock stepped; nothing is issued until it is steady",
            )
            .retry_after(steady_in)),
        }
    }
}

fn internal(what: &'static str) -> Refusal {
    tracing::error!(error.message = what, "a bug or a failing machine");
    Refusal::new(Reason::Internal, "the broker failed; its log says why")
}
