//! Says whether a token is active (RFC 7662).

use std::sync::Arc;

use quick_cache::sync::Cache;
use ring::digest::{SHA256, digest};
use taskpass_proto::refusal::Refusal;

use super::Operations;
use super::gate::Caller;
use crate::domain::time::UnixMillis;
use crate::domain::token::Claims;
use crate::ports::signer::TokenReader;

/// How many tokens are remembered as ours, so that each signature is checked once.
const REMEMBERED: usize = 10_000;

/// Recognises tokens, and remembers which signatures were checked. Never whether they are active.
pub struct KnownTokens {
    reader: Arc<dyn TokenReader>,
    /// By the SHA-256 of the whole token.
    checked: Cache<[u8; 32], Arc<Claims>>,
}

impl KnownTokens {
    /// Recognises what `reader` does.
    pub fn new(reader: Arc<dyn TokenReader>) -> Self {
        Self {
            reader,
            checked: Cache::new(REMEMBERED),
        }
    }

    fn read(&self, token: &str, now: UnixMillis) -> Option<Arc<Claims>> {
        let mut key = [0; 32];
        key.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        if let Some(claims) = self.checked.get(&key) {
            // INVARIANT: what is remembered is the signature, not the trust in the key: that ends at once when
            // the key is retired.
            return self.reader.trusts(token, now).then_some(claims);
        }
        let claims = Arc::new(self.reader.read(token, now)?);
        self.checked.insert(key, Arc::clone(&claims));
        Some(claims)
    }
}

impl Operations {
    /// The claims of a token that is active and meant for an audience of the caller's.
    ///
    /// Everything else is `None`, whatever the reason: a verifier learns nothing of tokens that are not its own.
    pub fn introspect(&self, caller: &Caller, token: &str) -> Result<Option<Arc<Claims>>, Refusal> {
        let active = self.active_claims(caller, token)?;
        let outcome = if active.is_some() {
            "active"
        } else {
            "inactive"
        };
        metrics::counter!("taskpass_introspections_total", "outcome" => outcome).increment(1);
        Ok(active)
    }

    fn active_claims(&self, caller: &Caller, token: &str) -> Result<Option<Arc<Claims>>, Refusal> {
        let now = self.now();
        // Only verifiers cost a signature check: nobody else's flood of made-up tokens does.
        let policy = self.policy();
        let verifies = policy
            .as_ref()
            .is_some_and(|policy| policy.verifier_audiences(&caller.subject).next().is_some());
        if !verifies {
            return Ok(None);
        }
        let Some(claims) = self.tokens.read(token, now) else {
            return Ok(None);
        };
        let in_time = claims.nbf <= now.as_seconds() && now.as_seconds() < claims.exp;
        let ours = claims.iss == self.settings.issuer;
        let theirs = self
            .policy()
            .is_some_and(|policy| policy.may_verify(&caller.subject, &claims.aud));
        let Some((lease, generation)) = claims.lease().filter(|_| in_time && ours && theirs) else {
            return Ok(None);
        };
        if self.pending_ends.contains(lease.job()) {
            return Ok(None);
        }
        // INVARIANT: the mark itself is read, not a cache of it: from the moment that an end is durable,
        // no answer says active.
        let mark = self
            .store
            .mark(lease)
            .map_err(|error| self.store_failed(&error))?;
        let active = mark.is_some_and(|mark| mark.is_active(generation, now));
        Ok(active.then_some(claims))
    }
}
