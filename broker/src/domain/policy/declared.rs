//! What files declare, before it is known whether it fits together.
//!
//! A field is `None` when it could not be read; the report then has an error, and no policy comes out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::claim_template::{ClaimName, ClaimTemplate};
use super::parameter::Parameter;
use super::pattern::WorkloadPattern;
use super::scope_template::ScopeTemplate;
use super::snapshot::{GrantMode, IdentityKind};
use super::source::Place;
use crate::domain::token_form::{Algorithm, Shape};

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Located<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

/// Something that has a name in policy.
#[derive(Debug)]
pub(super) struct Named<T> {
    pub(super) name: Located<Arc<str>>,
    pub(super) body: T,
}

/// Everything that a set of files declares, in the order of files and names.
#[derive(Debug, Default)]
pub(super) struct Declarations {
    pub(super) tasks: Vec<Named<DeclaredTask>>,
    pub(super) credentials: Vec<Named<DeclaredCredential>>,
    pub(super) environments: Vec<Named<Vec<Located<WorkloadPattern>>>>,
    pub(super) audiences: Vec<Named<DeclaredAudience>>,
    pub(super) identities: Vec<Named<DeclaredIdentity>>,
    pub(super) guardrails: Vec<DeclaredGuardrail>,
}

#[derive(Debug)]
pub(super) struct DeclaredTask {
    /// Whether there are only grants, and no `[task.NAME]`.
    pub(super) is_headless: bool,
    /// Whether nothing is wrong with the parameters.
    pub(super) has_whole_parameters: bool,
    pub(super) owner: Option<Located<Arc<str>>>,
    pub(super) purpose: Option<Located<Arc<str>>>,
    pub(super) parameters: BTreeMap<Arc<str>, Option<Located<Parameter>>>,
    pub(super) max_duration: Option<Located<Duration>>,
    pub(super) grants: Vec<DeclaredGrant>,
}

#[derive(Debug)]
pub(super) struct DeclaredGrant {
    /// Whether nothing is wrong with it.
    pub(super) is_whole: bool,
    pub(super) place: Place,
    pub(super) workloads: Vec<Located<WorkloadPattern>>,
    pub(super) credentials: Vec<Located<Arc<str>>>,
    pub(super) max_ttl: Option<Located<Duration>>,
    pub(super) max_live_jobs: u32,
    pub(super) mode: GrantMode,
    pub(super) when: Option<Located<Arc<str>>>,
    pub(super) unless: Option<Located<Arc<str>>>,
}

/// One statement of a guardrail file.
#[derive(Debug)]
pub(super) struct DeclaredGuardrail {
    /// Its text, comments before it included, and where that begins.
    pub(super) text: Located<Arc<str>>,
}

#[derive(Debug)]
pub(super) struct DeclaredCredential {
    pub(super) issuer: Option<Located<Arc<str>>>,
    pub(super) audience: Option<Located<Arc<str>>>,
    pub(super) scopes: Vec<Located<ScopeTemplate>>,
    pub(super) ttl: Option<Located<Duration>>,
    pub(super) environment: Option<Located<Arc<str>>>,
    pub(super) algorithm: Algorithm,
    pub(super) shape: Shape,
    pub(super) claims: Vec<DeclaredClaim>,
}

#[derive(Debug)]
pub(super) struct DeclaredClaim {
    pub(super) name: Located<ClaimName>,
    pub(super) value: Located<ClaimTemplate>,
}

#[derive(Debug)]
pub(super) struct DeclaredAudience {
    pub(super) uri: Option<Located<Arc<str>>>,
    pub(super) verifiers: Vec<Located<WorkloadPattern>>,
}

#[derive(Debug)]
pub(super) struct DeclaredIdentity {
    pub(super) workloads: Vec<Located<WorkloadPattern>>,
    pub(super) kind: Option<IdentityKind>,
    pub(super) owner: Option<Arc<str>>,
    pub(super) tools: Vec<Arc<str>>,
}

impl<T> Located<T> {
    pub(super) fn new(value: T, place: Place) -> Self {
        Self { value, place }
    }

    pub(super) fn map<U>(self, change: impl FnOnce(T) -> U) -> Located<U> {
        Located::new(change(self.value), self.place)
    }
}
