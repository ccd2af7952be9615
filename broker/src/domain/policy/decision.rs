//! A decision with every reason that it was made for.
//!
//! Serialised, it is what the audit log keeps of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};
use taskpass_proto::reason::Reason;

use super::circumstances::Circumstances;
use super::hash::PolicyHash;
use super::snapshot::GrantMode;
use crate::domain::token_form::TokenForm;

/// What a policy says to one request, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// The snapshot that decided.
    pub policy: PolicyHash,
    /// The identity that describes the workload, by its name in policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<Arc<str>>,
    /// Where the workload belongs.
    pub environment: Environment,
    /// What it was decided in, beside the request.
    pub circumstances: Circumstances,
    /// The grants that were considered. Those of other workloads are listed only when none matched, and then
    /// only the first few.
    pub grants: Vec<ConsideredGrant>,
    /// The guardrails that forbade it, or could not be evaluated.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub guardrails: Vec<ForbiddingGuardrail>,
    /// The credentials that the matching grants name.
    pub credentials: Vec<ConsideredCredential>,
    /// What came out.
    pub outcome: Outcome,
    /// What would have come out if the grants in audit mode counted; none when no such grant applies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with_audit_grants: Option<Outcome>,
}

/// What came out of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The job may be opened, with this.
    Allowed(Allowed),
    /// It may not.
    Denied(Denied),
}

/// What a job is let in with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Allowed {
    /// The credentials, at least one, in the order of their names.
    pub credentials: Vec<Permitted>,
    /// How long the job may live.
    #[serde(rename = "max_duration_seconds", serialize_with = "as_seconds")]
    pub max_duration: Duration,
    /// How many jobs of this task the workload may have open: the lowest limit of the grants below.
    pub max_live_jobs: u32,
    /// The grants that gave the credentials.
    pub grants: Vec<GrantId>,
}

/// One credential that may be issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Permitted {
    /// Its name in policy.
    pub name: Arc<str>,
    /// Who makes it, by its name in the installation file.
    pub issuer: Arc<str>,
    /// Whom it is for: a URI.
    pub audience: Arc<str>,
    /// Filled in and narrowed; each is one RFC 6749 scope-token. Sorted, without repetition.
    pub scopes: Vec<String>,
    /// The lifetime, whole seconds, at least one.
    #[serde(rename = "ttl_seconds", serialize_with = "as_seconds")]
    pub ttl: Duration,
    /// Its environment, or `any`.
    pub environment: Arc<str>,
    /// What its tokens look like, claims filled in.
    #[serde(skip_serializing_if = "TokenForm::is_default")]
    pub form: TokenForm,
}

/// Why nothing may be issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Denied {
    /// The stable reason.
    #[serde(serialize_with = "as_code")]
    pub reason: Reason,
    /// What the caller may know.
    pub message: String,
    /// What the audit log keeps: the rule, the condition, the value.
    pub explanation: String,
}

/// A grant, by its task and its place among the task's grants, from 1. Shown as `deploy-docs#2`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GrantId {
    /// The task.
    pub task: Arc<str>,
    /// Counted from 1, in the order of the file.
    pub number: u32,
}

/// A grant that was considered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConsideredGrant {
    /// Which.
    pub grant: GrantId,
    /// Where it stands: `file:line`.
    pub place: Arc<str>,
    /// Whether it counts.
    #[serde(skip_serializing_if = "GrantMode::is_enforced")]
    pub mode: GrantMode,
    /// The first condition that failed; none when it applies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<FailedCondition>,
}

/// A condition that was not met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailedCondition {
    /// What was looked at: `workload`, `params.ref`, `when` or `unless`.
    pub condition: String,
    /// What it had to be; of `when` and `unless`, their text.
    pub expected: String,
    /// What it was; none when it was missing. Of `when` and `unless`, each attribute that they look at with its
    /// value, and the error if they could not be evaluated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// A guardrail that forbade a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ForbiddingGuardrail {
    /// Its name: its `@id`, or its place.
    pub name: Arc<str>,
    /// Where it stands: `file:line`.
    pub place: Arc<str>,
    /// Each attribute that it looks at, with its value.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub values: String,
    /// Why it could not be evaluated, which forbids too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What made a lifetime shorter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ceiling {
    /// What: `task max_duration`, `grant deploy-docs#2`, `installation max_ttl`, `request` …
    pub by: String,
    /// What it left.
    #[serde(rename = "seconds", serialize_with = "as_seconds")]
    pub ttl: Duration,
}

/// A credential that a matching grant names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConsideredCredential {
    /// Its name in policy.
    pub name: Arc<str>,
    /// Where it stands: `file:line`.
    pub place: Arc<str>,
    /// The matching grants that name it.
    pub grants: Vec<GrantId>,
    /// What made its lifetime shorter than the credential's own `ttl`, in the order of effect.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ceilings: Vec<Ceiling>,
    /// What became of it.
    pub verdict: CredentialVerdict,
}

/// What became of a credential that is granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialVerdict {
    /// It may be issued.
    Permitted,
    /// The request did not ask for it.
    NotWanted,
    /// It belongs to another environment than the workload.
    OtherEnvironment {
        /// Where it belongs.
        environment: Arc<str>,
    },
    /// A scope was asked for that it does not have.
    ScopeNotGranted {
        /// The scope.
        scope: String,
        /// What it has.
        granted: Vec<String>,
    },
    /// A claim could not be filled in to one value.
    ClaimInvalid {
        /// Its name.
        claim: Arc<str>,
        /// The text.
        template: Arc<str>,
        /// What it gave.
        value: String,
    },
    /// A scope could not be filled in to one scope-token.
    ScopeInvalid {
        /// The template.
        template: Arc<str>,
        /// What it gave.
        value: String,
    },
    /// The installation does not allow its issuer or its audience in its environment.
    OutsideInstallation {
        /// What is not allowed.
        what: String,
    },
}

/// Where a workload belongs. Only a workload of exactly one environment gets that environment's credentials;
/// every other gets only those of `any`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Environment {
    /// In none.
    None,
    /// In this one.
    One(Arc<str>),
    /// In several, sorted by name.
    Several(Vec<Arc<str>>),
}

impl Decision {
    /// What may be issued, unless it was denied.
    pub fn allowed(&self) -> Result<&Allowed, &Denied> {
        match &self.outcome {
            Outcome::Allowed(allowed) => Ok(allowed),
            Outcome::Denied(denied) => Err(denied),
        }
    }
}

impl fmt::Display for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.task, self.number)
    }
}

impl Serialize for GrantId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("no environment"),
            Self::One(name) => write!(f, "environment `{name}`"),
            Self::Several(names) => write!(f, "several environments (`{}`)", names.join("`, `")),
        }
    }
}

fn as_seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(duration.as_secs())
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes fields by reference"
)]
fn as_code<S: Serializer>(reason: &Reason, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(reason.code())
}
