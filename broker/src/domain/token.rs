//! Claims of the tokens that we sign: RFC 9068 access tokens, or JWT-SVIDs with the same claims.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use taskpass_proto::ids::LeaseId;

use super::binding::Confirmation;
use super::job::Job;
use super::lease::{Lease, Term};
use super::token_form::ClaimValue;

/// `nbf` lies this much before `iat`, for verifiers whose clocks are behind.
const NOT_BEFORE_LEEWAY: Duration = Duration::from_secs(30);

/// No token lives longer: a signing key stays published for as long after it last signed.
pub const LONGEST_TOKEN: Duration = Duration::from_secs(24 * 3600);

/// The claims, in the order in which they are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The issuer's URL.
    pub iss: String,
    /// The workload's SPIFFE ID.
    pub sub: String,
    /// The same; RFC 9068, section 2.2 requires it.
    pub client_id: String,
    /// Exactly one audience, a string.
    pub aud: String,
    /// Whole seconds since 1970, as the two that follow.
    pub iat: u64,
    /// Half a minute before `iat`.
    pub nbf: u64,
    /// The end of this generation.
    pub exp: u64,
    /// `<lease>.<generation>`.
    pub jti: String,
    /// Scope-tokens joined by spaces; left out when there are none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scope: String,
    /// The task's name.
    pub task: String,
    /// The job's id.
    pub job: String,
    /// What it is bound to; left out of bearer tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
    /// What policy declares beyond that. Names never meet those above: policy refuses them.
    #[serde(flatten)]
    pub declared: BTreeMap<String, ClaimValue>,
}

impl Claims {
    /// The claims of a lease's generation.
    pub fn of(issuer: &str, job: &Job, lease: &Lease, term: Term) -> Self {
        let subject = job.owner.subject.to_string();
        Self {
            iss: issuer.to_owned(),
            client_id: subject.clone(),
            sub: subject,
            aud: lease.terms.audience.clone(),
            iat: term.issued_at.as_seconds(),
            nbf: term.issued_at.minus(NOT_BEFORE_LEEWAY).as_seconds(),
            exp: term.expires_at.as_seconds(),
            jti: lease.id.token_id(term.generation),
            scope: lease.terms.scopes.join(" "),
            task: job
                .opening()
                .map(|opening| opening.task.to_string())
                .unwrap_or_default(),
            job: job.id.to_string(),
            cnf: lease
                .terms
                .bound_to
                .map(|x5t_s256| Confirmation { x5t_s256 }),
            declared: lease.terms.form.claims.clone(),
        }
    }

    /// The lease and generation that `jti` names.
    pub fn lease(&self) -> Option<(LeaseId, u32)> {
        LeaseId::parse_token_id(&self.jti).ok()
    }
}
