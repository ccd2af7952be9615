//! Turns what policy permits into leases, and leases into tokens.

use std::time::Duration;

use taskpass_proto::reason::Reason;
use taskpass_proto::refusal::Refusal;
use zeroize::Zeroizing;

use super::Operations;
use crate::domain::binding::Bindings;
use crate::domain::job::Job;
use crate::domain::lease::{Lease, Term, Terms};
use crate::domain::policy::{Ceiling, Decision, Outcome, Permitted, Policy};
use crate::domain::revocability::Revocability;
use crate::domain::time::UnixMillis;
use crate::domain::token::Claims;
use crate::domain::token_form::TokenForm;
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

    /// Refuses credentials that no key can sign now, before anything of them is recorded.
    pub(super) fn refuse_unless_signable<'a>(
        &self,
        permitted: impl IntoIterator<Item = &'a Permitted>,
        now: UnixMillis,
    ) -> Result<(), Refusal> {
        permitted
            .into_iter()
            .try_for_each(|permitted| self.refuse_unless_signable_as(&permitted.form, now))
    }

    /// Refuses tokens of a form that no key can sign now.
    pub(super) fn refuse_unless_signable_as(
        &self,
        form: &TokenForm,
        now: UnixMillis,
    ) -> Result<(), Refusal> {
        self.signer
            .ready(form.algorithm, now)
            .map_err(|error| unsigned(&error, now))
    }

    pub(super) fn sign(
        &self,
        job: &Job,
        lease: &Lease,
        term: Term,
        now: UnixMillis,
    ) -> Result<IssuedToken, Refusal> {
        let claims = Claims::of(&self.settings.issuer, job, lease, term);
        let token = self
            .signer
            .sign(&claims, &lease.terms.form, now)
            .map_err(|error| unsigned(&error, now))?;
        let expires_in = term.expires_at.since(now);
        Ok(IssuedToken {
            lease: lease.clone(),
            term,
            token,
            expires_in,
        })
    }
}

/// The terms of a permitted credential, bound as it was asked for.
pub(super) fn terms(policy: &Policy, permitted: &Permitted, bindings: &Bindings) -> Terms {
    Terms {
        credential: permitted.name.to_string(),
        issuer: permitted.issuer.to_string(),
        audience: permitted.audience.to_string(),
        scopes: permitted.scopes.clone(),
        ttl: permitted.ttl,
        revocability: revocability(policy, &permitted.audience),
        form: permitted.form.clone(),
        bound_to: bindings.of(&permitted.name),
        counts_from: None,
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

/// Names the end of the job among what makes lifetimes shorter, where it does: policy knows nothing of it.
pub(super) fn shorten_by_end_of_job(decision: &mut Decision, now: UnixMillis, ends_by: UnixMillis) {
    let Decision {
        outcome: Outcome::Allowed(allowed),
        credentials,
        ..
    } = decision
    else {
        return;
    };
    for permitted in &allowed.credentials {
        let term = term(1, permitted.ttl, now, ends_by);
        let ttl = term.expires_at.since(term.issued_at);
        let considered = credentials
            .iter_mut()
            .find(|one| one.name == permitted.name);
        if let Some(considered) = considered.filter(|_| ttl < permitted.ttl) {
            let by = "end of the job".to_owned();
            considered.ceilings.push(Ceiling { by, ttl });
        }
    }
}

fn unsigned(error: &SigningFailed, now: UnixMillis) -> Refusal {
    match error {
        SigningFailed::Crypto => super::internal("a signature could not be computed"),
        SigningFailed::TooLong => Refusal::new(
            Reason::IssuerUnavailable,
            "no signing key stays published for as long as the token would live; ask for a shorter lifetime",
        ),
        SigningFailed::NotYet {
            algorithm,
            signs_from: Some(at),
        } => Refusal::new(
            Reason::IssuerUnavailable,
            format!(
                "the first {algorithm} key signs at {at}, when every verifier knows it; an operator can begin \
                 sooner with `taskpass key rotate --algorithm {algorithm} --now`"
            ),
        )
        .retry_after(at.since(now)),
        SigningFailed::NotYet {
            algorithm,
            signs_from: None,
        } => Refusal::new(
            Reason::IssuerUnavailable,
            format!("there is no {algorithm} key yet; try again in a moment"),
        )
        .retry_after(Duration::from_secs(1)),
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
