//! Turns what policy permits into leases, and leases into tokens.

use std::time::Duration;

use taskpass_proto::reason::Reason;
use taskpass_proto::refusal::Refusal;
use zeroize::Zeroizing;

use super::Operations;
use crate::domain::job::Job;
use crate::domain::lease::{Lease, Term, Terms};
use crate::domain::policy::{Permitted, Policy};
use crate::domain::revocability::Revocability;
use crate::domain::time::UnixMillis;
use crate::domain::token::Claims;
use crate::ports::signer::SigningFailed;

/// A credential on its way out.
#[derive(Debug)]
pub struct IssuedToken {
    /// Its lease, as recorded.
    pub lease: Lease,
    /// The generation that the token is of.
    pub term: Term,
    /// The token itself.
    pub token: Zeroizing<String>,
    /// How long it lives from now.
    pub expires_in: Duration,
}

impl Operations {
    /// Signs the current generation of each active lease.
    pub(super) fn sign_all(
        &self,
        job: &Job,
        leases: &[Lease],
        now: UnixMillis,
    ) -> Result<Vec<IssuedToken>, Refusal> {
        let active = leases
            .iter()
            .filter_map(|lease| Some((lease, lease.active()?)));
        active
            .filter(|(_, term)| now < term.expires_at)
            .map(|(lease, term)| self.sign(job, lease, term, now))
            .collect()
    }

    pub(super) fn sign(
        &self,
        job: &Job,
        lease: &Lease,
        term: Term,
        now: UnixMillis,
    ) -> Result<IssuedToken, Refusal> {
        let claims = Claims::of(&self.settings.issuer, job, lease, term);
        let token = self.signer.sign(&claims, now).map_err(|error| match error {
            SigningFailed::Crypto => super::internal("a signature could not be computed"),
            SigningFailed::NoKey => Refusal::new(
                Reason::IssuerUnavailable,
                "no signing key lives as long as the token would; an operator has to rotate keys",
            ),
        })?;
        let expires_in = term.expires_at.since(now);
        Ok(IssuedToken {
            lease: lease.clone(),
            term,
            token,
            expires_in,
        })
    }
}

/// The terms of a permitted credential.
pub(super) fn terms(policy: &Policy, permitted: &Permitted) -> Terms {
    Terms {
        credential: permitted.name.to_string(),
        issuer: permitted.issuer.to_string(),
        audience: permitted.audience.to_string(),
        scopes: permitted.scopes.clone(),
        ttl: permitted.ttl,
        revocability: revocability(policy, &permitted.audience),
    }
}

/// A term that begins at `now` and ends with its lifetime or its job, whichever comes first.
///
/// Both ends are whole seconds, as tokens count: `exp` is the end of the lease to the millisecond.
pub(super) fn term(generation: u32, ttl: Duration, now: UnixMillis, ends_by: UnixMillis) -> Term {
    let issued_at = now.floor_to_second();
    let expires_at = issued_at.plus(ttl).min(ends_by).floor_to_second();
    Term {
        generation,
        issued_at,
        expires_at,
    }
}

/// Where verifiers may ask, a token stops working at once; elsewhere only its expiry ends it.
fn revocability(policy: &Policy, audience: &str) -> Revocability {
    if policy.has_verifiers(audience) {
        Revocability::Immediate
    } else {
        Revocability::ExpiryOnly
    }
}
