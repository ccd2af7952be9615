//! What a good token says.

use serde::Deserialize;
use taskpass_proto::ids::LeaseId;

/// The claims of a token that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The workload's SPIFFE ID.
    pub sub: String,
    /// The one audience.
    pub aud: String,
    /// Seconds since 1970, as the two that follow.
    pub iat: u64,
    /// Not good before.
    pub nbf: u64,
    /// Not good from here on.
    pub exp: u64,
    /// Scope-tokens joined by spaces; empty when there are none.
    pub scope: String,
    /// The task's name.
    pub task: String,
    /// The lease, and with it the job.
    pub lease: LeaseId,
    /// The n-th token of the lease.
    pub generation: u32,
    /// What it is bound to: the SHA-256 of the client's certificate, `cnf` `x5t#S256` of RFC 8705. The check
    /// that gave these claims has compared it already.
    pub x5t_s256: Option<[u8; 32]>,
    /// Every claim as it stands in the token, those above included.
    pub all: serde_json::Map<String, serde_json::Value>,
}

impl Claims {
    /// Whether the token carries a scope.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scope.split(' ').any(|has| has == scope)
    }
}

/// The claims as they are encoded.
#[derive(Debug, Deserialize)]
pub(crate) struct Encoded {
    pub(crate) iss: String,
    pub(crate) sub: String,
    pub(crate) aud: Audience,
    pub(crate) exp: u64,
    pub(crate) iat: u64,
    #[serde(default)]
    pub(crate) nbf: u64,
    pub(crate) jti: String,
    #[serde(default)]
    pub(crate) scope: String,
    #[serde(default)]
    pub(crate) task: String,
    pub(crate) cnf: Option<Confirmation>,
}

/// `aud`: a string, or an array with one. A token for several audiences is one that another may pass on.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Audience {
    One(String),
    OneInArray([String; 1]),
}

/// `cnf`. What this version does not know binds all the same: see `check`.
#[derive(Debug, Deserialize)]
pub(crate) struct Confirmation {
    #[serde(rename = "x5t#S256")]
    pub(crate) x5t_s256: Option<String>,
}

impl Audience {
    pub(crate) fn into_one(self) -> String {
        match self {
            Self::One(audience) | Self::OneInArray([audience]) => audience,
        }
    }
}
