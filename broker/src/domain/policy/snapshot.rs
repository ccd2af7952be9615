//! A loaded policy: immutable, and indexed for decisions.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use taskpass_identity::SpiffeId;

use super::claim_template::ClaimTemplate;
use super::condition::Condition;
use super::decision::{Environment, GrantId};
use super::diagnostic::Diagnostic;
use super::guardrail::{Guardrail, Guardrails};
use super::hash::PolicyHash;
use super::installation::{Ceilings, Installation, OnWithdrawnGrant};
use super::parameter::Parameter;
use super::pattern::WorkloadPattern;
use super::scope_template::ScopeTemplate;
use super::source::SourceFile;
use super::workload_index::WorkloadIndex;
use crate::domain::token_form::{Algorithm, Shape};

/// The name that stands for every environment.
pub(super) const ANY_ENVIRONMENT: &str = "any";

/// A snapshot of a policy. Nothing in it changes; a reload makes another one.
#[derive(Debug)]
pub struct Policy {
    pub(super) hash: PolicyHash,
    pub(super) sources: Vec<SourceFile>,
    pub(super) installation: SourceFile,
    pub(super) warnings: Vec<Diagnostic>,
    pub(super) tasks: HashMap<Arc<str>, Task>,
    pub(super) environments: WorkloadIndex<Arc<str>>,
    pub(super) identities: WorkloadIndex<Arc<Identity>>,
    /// Who may verify, by audience and by workload.
    pub(super) verifiers: HashMap<Arc<str>, WorkloadIndex<()>>,
    pub(super) audiences: WorkloadIndex<Arc<str>>,
    pub(super) on_withdrawn_grant: OnWithdrawnGrant,
    pub(super) declared_environments: Vec<DeclaredEnvironment>,
    pub(super) declared_audiences: Vec<Audience>,
    pub(super) credentials: BTreeMap<Arc<str>, Arc<Credential>>,
    pub(super) guardrails: Guardrails,
    pub(super) ceilings: Ceilings,
}

/// A task with its grants.
#[derive(Debug)]
pub struct Task {
    /// Its name.
    pub name: Arc<str>,
    /// Where it stands: `file:line`.
    pub place: Arc<str>,
    /// Who answers for it.
    pub owner: Arc<str>,
    /// What it is for.
    pub purpose: Arc<str>,
    /// What its parameters must be.
    pub parameters: BTreeMap<Arc<str>, Parameter>,
    /// No job of it lives longer.
    pub max_duration: Duration,
    /// Who may do it, in the order of the file.
    pub grants: Vec<Grant>,
    /// Positions in `grants`.
    pub(super) by_workload: WorkloadIndex<usize>,
}

/// These workloads may do the task, with these credentials.
#[derive(Debug)]
pub struct Grant {
    /// Its name.
    pub id: GrantId,
    /// Where it stands: `file:line`.
    pub place: Arc<str>,
    /// Who.
    pub workloads: Vec<WorkloadPattern>,
    /// What they get.
    pub credentials: Vec<Arc<Credential>>,
    /// No credential lives longer.
    pub max_ttl: Option<Duration>,
    /// How many jobs of the task one workload may have open.
    pub max_live_jobs: u32,
    /// Whether it counts.
    pub mode: GrantMode,
    pub(super) when: Option<Arc<Condition>>,
    pub(super) unless: Option<Arc<Condition>>,
}

/// Whether a grant counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantMode {
    /// It does.
    #[default]
    Enforce,
    /// It lets nothing through; decisions record what it would have allowed.
    Audit,
}

/// What a job may be handed.
#[derive(Debug)]
pub struct Credential {
    /// Its name in policy.
    pub name: Arc<str>,
    /// Where it stands: `file:line`.
    pub place: Arc<str>,
    /// Who makes it, by its name in the installation file.
    pub issuer: Arc<str>,
    /// Whom it is for: a URI.
    pub audience: Arc<str>,
    /// What it is good for.
    pub scopes: Vec<ScopeTemplate>,
    /// How long it lives at most.
    pub ttl: Duration,
    /// An environment's name, or `any`.
    pub environment: Arc<str>,
    /// How its tokens are signed.
    pub algorithm: Algorithm,
    /// What its tokens look like.
    pub shape: Shape,
    /// What its tokens say besides, by name.
    pub(super) claims: Vec<(Arc<str>, ClaimTemplate)>,
}

/// An environment as policy declares it.
#[derive(Debug)]
pub struct DeclaredEnvironment {
    /// Its name.
    pub name: Arc<str>,
    /// Where it stands: `file:line`.
    pub place: Arc<str>,
    /// The workloads that belong to it.
    pub workloads: Vec<WorkloadPattern>,
}

/// Whom tokens are for.
#[derive(Debug)]
pub struct Audience {
    /// Its name in policy.
    pub name: Arc<str>,
    /// Where it stands: `file:line`.
    pub place: Arc<str>,
    /// How it is called in tokens.
    pub uri: Arc<str>,
    /// Who may ask about its tokens.
    pub verifiers: Vec<WorkloadPattern>,
}

/// What is said of a workload: who stands behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its name in policy.
    pub name: Arc<str>,
    /// What it is.
    pub kind: IdentityKind,
    /// Who answers for it.
    pub owner: Arc<str>,
    /// The tools that an agent may use, sorted.
    pub tools: Vec<Arc<str>>,
}

/// What a workload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityKind {
    /// A program that somebody wrote.
    Service,
    /// Somebody.
    Person,
    /// A program that decides by itself what to do next (an AI agent).
    Agent,
}

impl Policy {
    /// Compiles files to a snapshot, all or nothing. On failure the findings hold at least one error; warnings
    /// alone are found in [`Policy::warnings`].
    pub fn compile(
        files: &[SourceFile],
        installation: &Installation,
    ) -> Result<Self, Vec<Diagnostic>> {
        super::compile::compile(files, installation)
    }

    /// What is wrong in files by themselves: what can be told while the installation's facts are not known.
    pub fn errors_within(files: &[SourceFile]) -> Vec<Diagnostic> {
        super::compile::errors_within(files)
    }

    /// The hash by which the snapshot is known.
    pub fn hash(&self) -> PolicyHash {
        self.hash
    }

    /// The files that it was compiled from, to be kept by the hash.
    pub fn sources(&self) -> &[SourceFile] {
        &self.sources
    }

    /// The installation file that it was compiled with, to be kept with them.
    pub fn installation(&self) -> &SourceFile {
        &self.installation
    }

    /// Whether jobs end that it grants no longer.
    pub fn ends_jobs_of_withdrawn_grants(&self) -> bool {
        self.on_withdrawn_grant == OnWithdrawnGrant::EndJobs
    }

    /// What is likely a mistake, in the order of files and lines.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// How many tasks there are.
    pub fn task_count(&self) -> usize {
        self.tasks.len()
    }

    /// How many grants there are.
    pub fn grant_count(&self) -> usize {
        self.tasks.values().map(|task| task.grants.len()).sum()
    }

    /// The algorithms that tokens are to be signed with, each once.
    pub fn algorithms(&self) -> BTreeSet<Algorithm> {
        let grants = self.tasks.values().flat_map(|task| &task.grants);
        grants
            .flat_map(|grant| &grant.credentials)
            .map(|credential| credential.algorithm)
            .collect()
    }

    /// Every task, in no order.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.tasks.values()
    }

    /// The task of this name.
    pub fn task(&self, name: &str) -> Option<&Task> {
        self.tasks.get(name)
    }

    /// Every credential, by name.
    pub fn credentials(&self) -> impl Iterator<Item = &Credential> {
        self.credentials.values().map(|credential| &**credential)
    }

    /// Every environment, by name.
    pub fn environments(&self) -> &[DeclaredEnvironment] {
        &self.declared_environments
    }

    /// Every audience, by name.
    pub fn audiences(&self) -> &[Audience] {
        &self.declared_audiences
    }

    /// Every guardrail, in the order of files and lines.
    pub fn guardrails(&self) -> &[Guardrail] {
        self.guardrails.all()
    }

    /// Who stands behind a workload; of several, the one with the most specific pattern.
    pub fn identity(&self, workload: &SpiffeId) -> Option<&Identity> {
        self.identities
            .matches(workload)
            .next()
            .map(|identity| &**identity)
    }

    /// Where a workload belongs.
    pub fn environment(&self, workload: &SpiffeId) -> Environment {
        let mut names: Vec<_> = self.environments.matches(workload).cloned().collect();
        names.sort_unstable();
        names.dedup();
        match (names.pop(), names.is_empty()) {
            (None, _) => Environment::None,
            (Some(only), true) => Environment::One(only),
            (Some(last), false) => {
                names.push(last);
                Environment::Several(names)
            }
        }
    }

    /// Whether a workload may ask about tokens for an audience, given by its URI.
    pub fn may_verify(&self, workload: &SpiffeId, audience: &str) -> bool {
        self.verifiers
            .get(audience)
            .is_some_and(|verifiers| verifiers.matches(workload).next().is_some())
    }

    /// Whether anybody may ask about tokens for an audience, given by its URI.
    pub fn has_verifiers(&self, audience: &str) -> bool {
        self.verifiers
            .get(audience)
            .is_some_and(|verifiers| !verifiers.is_empty())
    }

    /// The audiences (URIs) that a workload may ask about.
    pub fn verifier_audiences<'a>(
        &'a self,
        workload: &'a SpiffeId,
    ) -> impl Iterator<Item = &'a str> {
        self.audiences.matches(workload).map(|audience| &**audience)
    }
}

impl Grant {
    /// The condition that must hold, as it was written.
    pub fn when(&self) -> Option<&str> {
        self.when.as_deref().map(Condition::as_str)
    }

    /// The condition that must not hold, as it was written.
    pub fn unless(&self) -> Option<&str> {
        self.unless.as_deref().map(Condition::as_str)
    }
}

impl GrantMode {
    /// Its name in policy files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Audit => "audit",
        }
    }

    #[allow(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes fields by reference"
    )]
    pub(super) fn is_enforced(&self) -> bool {
        *self == Self::Enforce
    }
}

impl IdentityKind {
    /// Its name in policy files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Person => "person",
            Self::Agent => "agent",
        }
    }
}
