//! What a policy gives one workload for one task, whichever grants it comes from.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use taskpass_identity::SpiffeId;

use super::limits::{Condition, Limits};
use crate::domain::policy::duration::show_duration;
use crate::domain::policy::snapshot::{Credential, Grant, GrantMode, Task};
use crate::domain::policy::{Policy, condition as policy};

/// What a workload is given for a task.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Effect {
    pub(super) credentials: BTreeMap<Arc<str>, Given>,
    /// What grants in audit mode would give.
    pub(super) audited: BTreeMap<Arc<str>, Given>,
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
    /// A job may ask for this credential alone, and is then held to these limits alone.
    pub(super) live_jobs: Limits<u32>,
}

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
            let by_name = match grant.mode {
                GrantMode::Enforce => &mut effect.credentials,
                GrantMode::Audit => &mut effect.audited,
            };
            for credential in given {
                let given = by_name
                    .entry(credential.name.clone())
                    .or_insert_with(|| Given::new(credential));
                given.limit(policy, task, grant, credential);
            }
        }
        let all = effect.credentials.values_mut();
        for given in all.chain(effect.audited.values_mut()) {
            given.lifetimes.simplify();
            given.live_jobs.simplify();
        }
        effect
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.credentials.is_empty()
    }
}

impl Given {
    /// A credential as one grant gives it.
    pub(super) fn by(policy: &Policy, task: &Task, grant: &Grant, credential: &Credential) -> Self {
        let mut given = Self::new(credential);
        given.limit(policy, task, grant, credential);
        given
    }

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
            live_jobs: Limits::default(),
        }
    }

    fn limit(&mut self, policy: &Policy, task: &Task, grant: &Grant, credential: &Credential) {
        let condition = condition(grant);
        let (ceiling, _) = policy.ceilings.max_ttl(&credential.environment);
        let lifetime = credential.ttl.min(task.max_duration).min(ceiling);
        let lifetime = grant.max_ttl.map_or(lifetime, |ttl| ttl.min(lifetime));
        self.lifetimes.limit(condition.clone(), lifetime);
        self.live_jobs.limit(condition, grant.max_live_jobs);
    }

    /// `docs:read docs:write, 10m, 100 open jobs`.
    pub(super) fn summary(&self) -> String {
        let scopes: Vec<_> = self.scopes.iter().map(String::as_str).collect();
        let scopes = match scopes.join(" ") {
            none if none.is_empty() => "no scopes".to_owned(),
            scopes => scopes,
        };
        let numbers = self.live_jobs.values();
        let jobs = match (numbers.first(), numbers.len()) {
            // The conditions are those of the lifetimes.
            (Some(only), 1) => format!("{only} open jobs"),
            _ => self.live_jobs.summary(|limit| format!("{limit} open jobs")),
        };
        format!(
            "{scopes}, {}, {jobs}",
            self.lifetimes.summary(show_duration)
        )
    }

    /// Everything about it.
    pub(super) fn whole(&self) -> String {
        let form: Vec<_> = self
            .form
            .iter()
            .map(|(name, value)| format!(", {name} {value}"))
            .collect();
        format!(
            "{}, issuer {}, audience {}, environment {}{}",
            self.summary(),
            self.issuer,
            self.audience,
            self.environment,
            form.concat()
        )
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
