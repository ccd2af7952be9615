//! Which limit decides how long a credential lives.

use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::domain::policy::snapshot::{Credential, Grant, Policy, Task};
use crate::domain::policy::tools::input::Input;
use crate::domain::policy::{Decision, show_duration};

/// What limits the lifetime of one credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lifetime {
    /// The credential.
    pub credential: Arc<str>,
    /// Every limit; the one that decided is the first.
    pub limits: Vec<Limit>,
}

/// One limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Limit {
    /// Where it comes from: `max_ttl of grant deploy-docs#2`.
    pub what: String,
    /// What it allows.
    #[serde(rename = "seconds", serialize_with = "as_seconds")]
    pub at_most: Duration,
}

/// The limits of every credential that comes out.
pub(super) fn of(policy: &Policy, input: &Input, decision: &Decision) -> Vec<Lifetime> {
    let (Ok(allowed), Some(task)) = (decision.allowed(), policy.tasks.get(&*input.task)) else {
        return Vec::new();
    };
    let lifetime = |name: &Arc<str>| {
        let considered = decision.credentials.iter().find(|c| c.name == *name)?;
        let grants: Vec<&Grant> = task
            .grants
            .iter()
            .filter(|grant| considered.grants.contains(&grant.id))
            .collect();
        let credential = grants
            .iter()
            .flat_map(|grant| &grant.credentials)
            .find(|credential| credential.name == *name)?;
        Some(Lifetime {
            credential: name.clone(),
            limits: limits((policy, task), &grants, credential, input),
        })
    };
    let names = allowed.credentials.iter().map(|permitted| &permitted.name);
    names.filter_map(lifetime).collect()
}

fn limits(
    (policy, task): (&Policy, &Task),
    grants: &[&Grant],
    credential: &Credential,
    input: &Input,
) -> Vec<Limit> {
    let mut limits = vec![limit(
        format!("ttl of credential {}", credential.name),
        credential.ttl,
    )];
    for grant in grants {
        let max_ttl = grant.max_ttl.into_iter();
        limits.extend(max_ttl.map(|ttl| limit(format!("max_ttl of grant {}", grant.id), ttl)));
    }
    limits.push(limit(
        "max_duration of the task".to_owned(),
        task.max_duration,
    ));
    let (ceiling, by) = policy.ceilings.max_ttl(&credential.environment);
    limits.push(limit(by, ceiling));
    let asked = input
        .wanted
        .iter()
        .filter(|wanted| *wanted.name == *credential.name)
        .filter_map(|wanted| wanted.lifetime);
    limits.extend(asked.map(|ttl| limit("the lifetime asked for".to_owned(), ttl)));
    // Of equal ones, the nearest to the credential stays first.
    limits.sort_by_key(|limit| limit.at_most);
    limits
}

fn limit(what: String, at_most: Duration) -> Limit {
    Limit { what, at_most }
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", show_duration(self.at_most), self.what)
    }
}

fn as_seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(duration.as_secs())
}
