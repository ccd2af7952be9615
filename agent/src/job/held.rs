//! A credential in the agent's hands.

use std::time::Duration;

use taskpass_proto::ids::JobId;
use taskpass_proto::reason::Reason;
use taskpass_proto::refusal::Refusal;
use taskpass_proto::time::from_wire;
use taskpass_proto::v1;
use zeroize::Zeroizing;

use super::secret::Secret;
use crate::clock::Instant;
use crate::journal::Journal;
use crate::renewal;

/// A credential that ends this shortly before its job is not worth another one.
const CLOSE_TO_THE_END: Duration = Duration::from_secs(1);

/// A lease of this node's, with its newest token while that is valid.
#[derive(Debug, Clone)]
pub struct Held {
    /// Its name in policy; empty until the first answer after a restart.
    pub name: String,
    /// The lease.
    pub lease: String,
    /// The newest generation that is known.
    pub generation: u32,
    /// The token; none after a restart, and none after its end.
    pub token: Option<Token>,
    /// When to renew.
    pub renew_at: Instant,
    /// Whether a renewal is under way.
    pub renewing: bool,
    /// How many renewals have failed since the last good one.
    pub failures: u32,
    /// Why the broker will not renew it, once it has said so.
    pub refused: Option<NotRenewed>,
}

/// Why a credential is renewed no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotRenewed {
    /// The broker's reason.
    pub reason: Reason,
    /// Its words.
    pub message: String,
}

/// A token and what is known of it.
#[derive(Debug, Clone)]
pub struct Token {
    /// The secret.
    pub secret: Secret,
    /// What kind it is.
    pub kind: String,
    /// When it ends, since boot.
    pub expires_at: Instant,
    /// When it ends, for people: milliseconds since 1970.
    pub expires_at_millis: u64,
    /// Its scopes.
    pub scopes: Vec<String>,
    /// Its audience.
    pub audience: String,
    /// What can be said of taking it back early.
    pub revocability: v1::Revocability,
}

impl Held {
    /// A credential as the broker handed it over, of a job that ends at `job_ends`. `asked_at` is before the
    /// call: a token never seems to live longer than it does.
    pub fn new(
        issued: v1::IssuedCredential,
        asked_at: Instant,
        job_ends: Option<Instant>,
        spread: f64,
    ) -> Option<Self> {
        let lifetime = issued.lifetime.as_ref();
        let expires_in = lifetime
            .and_then(|l| l.expires_in.as_ref())
            .and_then(from_wire)?;
        let expires_at = lifetime.and_then(|lifetime| lifetime.expires_at.as_ref());
        let millis = expires_at.and_then(taskpass_proto::time::millis_from_timestamp);
        let secret = Zeroizing::new(issued.secret);
        let secret = std::str::from_utf8(&secret).ok()?.to_owned();
        Some(Self {
            name: issued.name,
            lease: issued.lease_id,
            generation: issued.generation,
            token: Some(Token {
                secret: Secret::new(secret),
                kind: issued.r#type,
                expires_at: asked_at + expires_in,
                expires_at_millis: millis.unwrap_or_default(),
                scopes: issued.scopes,
                audience: issued.audience,
                revocability: issued.revocability.unwrap_or_default(),
            }),
            renew_at: match job_ends {
                Some(end) if end <= asked_at + expires_in + CLOSE_TO_THE_END => Instant::MAX,
                Some(_) | None => asked_at + renewal::due_after(expires_in, spread),
            },
            renewing: false,
            failures: 0,
            refused: None,
        })
    }

    /// A lease that is known from before a restart, to be renewed at once.
    pub fn from_before(lease: String, generation: u32, now: Instant) -> Self {
        Self {
            name: String::new(),
            lease,
            generation,
            token: None,
            renew_at: now,
            renewing: false,
            failures: 0,
            refused: None,
        }
    }

    /// Whether a renewal is due.
    pub fn is_due(&self, now: Instant) -> bool {
        !self.renewing && self.refused.is_none() && self.renew_at <= now
    }

    /// Drops a token that has ended. Says whether it did.
    pub fn drop_if_over(&mut self, now: Instant) -> bool {
        let over = self
            .token
            .as_ref()
            .is_some_and(|token| token.expires_at <= now);
        if over {
            self.token = None;
        }
        over
    }

    /// Has its generation journalled.
    pub fn remember(&self, job: JobId, journal: &Journal) {
        journal.lease(job, &self.lease, self.generation);
    }

    /// The broker renews it no more.
    pub fn give_up(&mut self, refusal: &Refusal) {
        self.refused = Some(NotRenewed {
            reason: refusal.reason,
            message: refusal.message.clone(),
        });
    }

    /// A renewal failed and may succeed later.
    pub fn put_off(&mut self, at_least: Duration, now: Instant, spread: f64) {
        let wait = renewal::wait_after_failure(self.failures, spread).max(at_least);
        self.renewing = false;
        self.failures = self.failures.saturating_add(1);
        self.renew_at = now + wait;
    }
}
