//! Claims of the tokens that we sign: RFC 9068 access tokens.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use taskpass_proto::ids::LeaseId;

use super::job::Job;
use super::lease::{Lease, Term};

/// `nbf` lies this much before `iat`, for verifiers whose clocks are behind.
const NOT_BEFORE_LEEWAY: Duration = Duration::from_secs(30);

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
        }
    }

    /// The lease and generation that `jti` names.
    pub fn lease(&self) -> Option<(LeaseId, u32)> {
        LeaseId::parse_token_id(&self.jti).ok()
    }
}
