//! A loaded policy: immutable, and indexed for decisions.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use taskpass_identity::SpiffeId;

use super::claim_template::ClaimTemplate;
use super::decision::{Environment, GrantId};
use super::diagnostic::Diagnostic;
use super::hash::PolicyHash;
use super::installation::{Installation, OnWithdrawnGrant};
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
    pub(super) warnings: Vec<Diagnostic>,
    pub(super) tasks: HashMap<Arc<str>, Task>,
    pub(super) environments: WorkloadIndex<Arc<str>>,
    pub(super) identities: WorkloadIndex<Arc<Identity>>,
    /// Who may verify, by audience and by workload.
    pub(super) verifiers: HashMap<Arc<str>, WorkloadIndex<()>>,
    pub(super) audiences: WorkloadIndex<Arc<str>>,
    pub(super) on_withdrawn_grant: OnWithdrawnGrant,
}

/// A task with its grants.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) parameters: BTreeMap<Arc<str>, Parameter>,
    pub(super) max_duration: Duration,
    pub(super) grants: Vec<Grant>,
    /// Positions in `grants`.
    pub(super) by_workload: WorkloadIndex<usize>,
}

/// These workloads may do the task, with these credentials.
#[derive(Debug)]
pub(super) struct Grant {
    pub(super) id: GrantId,
    /// `file:line`.
    pub(super) place: Arc<str>,
    pub(super) workloads: Vec<WorkloadPattern>,
    pub(super) credentials: Vec<Arc<Credential>>,
    pub(super) max_ttl: Option<Duration>,
    pub(super) max_live_jobs: u32,
}

/// What a job may be handed.
#[derive(Debug)]
pub(super) struct Credential {
    pub(super) name: Arc<str>,
    /// `file:line`.
    pub(super) place: Arc<str>,
    pub(super) issuer: Arc<str>,
    /// A URI.
    pub(super) audience: Arc<str>,
    pub(super) scopes: Vec<ScopeTemplate>,
    pub(super) ttl: Duration,
    /// An environment's name, or [`ANY_ENVIRONMENT`].
    pub(super) environment: Arc<str>,
    pub(super) algorithm: Algorithm,
    pub(super) shape: Shape,
    /// By name.
    pub(super) claims: Vec<(Arc<str>, ClaimTemplate)>,
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

    /// The hash by which the snapshot is known.
    pub fn hash(&self) -> PolicyHash {
        self.hash
    }

    /// The files that it was compiled from, to be kept by the hash.
    pub fn sources(&self) -> &[SourceFile] {
        &self.sources
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
