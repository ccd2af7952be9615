//! What a policy gives one workload for one task, whichever grants it comes from.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use taskpass_identity::SpiffeId;

use crate::domain::policy::duration::show_duration;
use crate::domain::policy::snapshot::{Credential, Grant, GrantMode, Task};
use crate::domain::policy::{Policy, condition as policy};

/// What a workload is given for a task.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Effect {
    pub(super) credentials: BTreeMap<Arc<str>, Given>,
    pub(super) live_jobs: Limits<u32>,
    /// What grants in audit mode would give, each with its condition.
    pub(super) audited: BTreeSet<(Arc<str>, String)>,
}

/// A credential as it is given.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) issuer: Arc<str>,
    pub(super) audience: Arc<str>,
    pub(super) environment: Arc<str>,
    pub(super) scopes: BTreeSet<String>,
    /// What its tokens look like: `algorithm`, `shape`, and each claim.
    pub(super) form: BTreeMap<String, String>,
    pub(super) lifetimes: Limits<Duration>,
}

/// The condition of a grant as it is written; none where it always holds.
pub(super) type Condition = Option<String>;

/// A limit for each condition; where several hold, the lowest.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Limits<T>(pub(super) BTreeMap<Condition, T>);

impl Effect {
    /// What the policy gives the workload for the task.
    pub(super) fn of(policy: &Policy, task: Option<&Task>, workload: &SpiffeId) -> Self {
        let mut effect = Self::default();
        let Some(task) = task else {
            return effect;
        };
        let environment = policy.environment(workload);
        for grant in task.grants.iter().filter(|grant| grant.is_for(workload)) {
            let given = grant.credentials.iter().filter(|credential| {
                environment.admits(&credential.environment)
                    && policy.ceilings.refuses(credential).is_none()
            });
            for credential in given {
                match grant.mode {
                    GrantMode::Enforce => effect.add(policy, task, grant, credential),
                    GrantMode::Audit => effect.audit(grant, credential),
                }
            }
        }
        for given in effect.credentials.values_mut() {
            given.lifetimes.simplify();
        }
        effect.live_jobs.simplify();
        effect
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.credentials.is_empty()
    }

    fn audit(&mut self, grant: &Grant, credential: &Credential) {
        let condition = condition(grant).unwrap_or_else(|| "always".to_owned());
        self.audited.insert((credential.name.clone(), condition));
    }

    fn add(&mut self, policy: &Policy, task: &Task, grant: &Grant, credential: &Credential) {
        let condition = condition(grant);
        let given = self
            .credentials
            .entry(credential.name.clone())
            .or_insert_with(|| Given::new(credential));
        let (ceiling, _) = policy.ceilings.max_ttl(&credential.environment);
        let lifetime = credential.ttl.min(task.max_duration).min(ceiling);
        let lifetime = grant.max_ttl.map_or(lifetime, |ttl| ttl.min(lifetime));
        given.lifetimes.limit(condition.clone(), lifetime);
        self.live_jobs.limit(condition, grant.max_live_jobs);
    }
}

impl Given {
    fn new(credential: &Credential) -> Self {
        Self {
            issuer: credential.issuer.clone(),
            audience: credential.audience.clone(),
            environment: credential.environment.clone(),
            scopes: credential
                .scopes
                .iter()
                .map(|scope| scope.as_str().to_owned())
                .collect(),
            form: form(credential),
            lifetimes: Limits::default(),
        }
    }

    /// `docs:read docs:write, 10m`.
    pub(super) fn summary(&self) -> String {
        let scopes: Vec<_> = self.scopes.iter().map(String::as_str).collect();
        let scopes = match scopes.join(" ") {
            none if none.is_empty() => "no scopes".to_owned(),
            scopes => scopes,
        };
        format!(
            "{scopes}, {}",
            self.lifetimes.summary(|ttl| show_duration(*ttl))
        )
    }
}

impl<T: Ord + Copy> Limits<T> {
    fn limit(&mut self, condition: Condition, limit: T) {
        self.0
            .entry(condition)
            .and_modify(|known| *known = limit.min(*known))
            .or_insert(limit);
    }

    /// Drops what never limits: a condition's limit that is not below the one that always holds.
    fn simplify(&mut self) {
        if let Some(always) = self.0.get(&None).copied() {
            self.0
                .retain(|condition, limit| condition.is_none() || *limit < always);
        }
    }

    /// Every limit with its condition.
    pub(super) fn summary(&self, show: impl Fn(&T) -> String) -> String {
        let one = |(condition, limit): (&Condition, &T)| match condition {
            None => show(limit),
            Some(condition) => format!("{} {condition}", show(limit)),
        };
        self.0.iter().map(one).collect::<Vec<_>>().join(", ")
    }
}

impl<T> Default for Limits<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl Grant {
    fn is_for(&self, workload: &SpiffeId) -> bool {
        self.workloads
            .iter()
            .any(|pattern| pattern.matches(workload))
    }
}

fn form(credential: &Credential) -> BTreeMap<String, String> {
    let fixed = [
        ("algorithm", credential.algorithm.to_string()),
        ("shape", credential.shape.to_string()),
    ];
    let fixed = fixed.map(|(name, value)| (name.to_owned(), value));
    let claims = credential.claims.iter();
    let claims = claims.map(|(name, value)| (format!("claim {name}"), value.to_string()));
    fixed.into_iter().chain(claims).collect()
}

/// The conditions in their one form: another layout of the same is no change.
fn condition(grant: &Grant) -> Condition {
    let text =
        |key: &str, condition: &Arc<policy::Condition>| format!("{key} {}", condition.canonical());
    let when = grant.when.as_ref().map(|condition| text("when", condition));
    let unless = grant
        .unless
        .as_ref()
        .map(|condition| text("unless", condition));
    match (when, unless) {
        (Some(when), Some(unless)) => Some(format!("{when}, {unless}")),
        (one, other) => one.or(other),
    }
}
