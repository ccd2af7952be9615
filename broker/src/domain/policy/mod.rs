//! Policy files, compiled to an immutable snapshot that decides.
//!
//! - [`SourceFile`] → [`Policy::compile`] → [`Policy`], or [`Diagnostic`]s with places and remedies
//! - [`Installation`]: the facts of the whole installation that a policy is checked against
//! - [`Policy::decide`]: [`Request`] → [`Decision`], with every reason
//! - [`WorkloadIndex`]: values found by workload, whatever their number

mod circumstances;
mod claim_template;
mod compile;
mod condition;
mod decide;
mod decision;
mod declared;
mod diagnostic;
mod duration;
mod guardrail;
mod hash;
mod installation;
mod lint;
mod parameter;
mod pattern;
mod permit;
mod read;
mod report;
mod request;
mod scope_template;
mod snapshot;
mod source;
mod suggest;
mod template;
#[cfg(test)]
mod tests;
pub mod tools;
mod value_pattern;
mod workload_index;

pub use circumstances::{Circumstances, JobFacts, Risk};
pub use decision::{
    Allowed, Ceiling, ConsideredCredential, ConsideredGrant, CredentialVerdict, Decision, Denied,
    Environment, FailedCondition, ForbiddingGuardrail, GrantId, Outcome, Permitted,
};
pub use diagnostic::{Diagnostic, Fix, Related, Severity};
pub use duration::{InvalidDuration, parse_duration, show_duration};
pub use guardrail::Guardrail;
pub use hash::PolicyHash;
pub use installation::{
    Ceilings, EnvironmentCeiling, Installation, Issuer, IssuerKind, OnWithdrawnGrant,
};
pub use lint::Lint;
pub use parameter::{Parameter, ParameterKind};
pub use pattern::{InvalidPattern, WorkloadPattern};
pub use request::{Request, Wanted};
pub use scope_template::{InvalidTemplate, ScopeTemplate};
pub use snapshot::{
    Audience, Credential, DeclaredEnvironment, Grant, GrantMode, Identity, IdentityKind, Policy,
    Task,
};
pub use source::{Place, SourceFile};
pub use value_pattern::{InvalidValuePattern, ValuePattern};
pub use workload_index::WorkloadIndex;
