//! Why a request is decided as it is: every grant with the first condition that failed, which limit decided
//! each lifetime, and what would have to be otherwise.

mod lifetimes;
mod near_misses;
#[cfg(test)]
mod tests;
mod unmet;
mod workload;

use std::sync::Arc;

use serde::Serialize;

use super::input::Input;
use crate::domain::policy::decision::ConsideredGrant;
use crate::domain::policy::snapshot::{Grant, Policy};
use crate::domain::policy::{Decision, FailedCondition};

pub use lifetimes::{Lifetime, Limit};
pub use near_misses::NearMiss;
pub use unmet::Unmet;

/// Grants of other workloads that are listed; those that come nearest go first.
const MAX_OTHERS: usize = 20;

/// A decision with everything that is worth knowing about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The decision.
    pub decision: Decision,
    /// Whether the policy has the task.
    pub is_task_known: bool,
    /// The grants of the task, each with the first condition that failed: first those for the workload, then
    /// those for others, the nearest first.
    pub grants: Vec<ConsideredGrant>,
    /// How many more grants for others there are.
    pub more_grants: usize,
    /// What limits the lifetime of each credential that comes out.
    pub lifetimes: Vec<Lifetime>,
    /// What would have to be otherwise; empty when it was allowed.
    pub near_misses: Vec<NearMiss>,
    /// The conditions that stood against it; empty when it was allowed.
    pub unmet: Vec<Unmet>,
    /// The tasks that the workload is granted, when it is not granted this one.
    pub own_tasks: Vec<Arc<str>>,
}

/// Explains what a policy says to a request.
pub fn explain(policy: &Policy, input: &Input) -> Explanation {
    let decision = policy.decide(&input.request());
    let task = policy.tasks.get(&*input.task);
    let mut grants: Vec<ConsideredGrant> = Vec::new();
    let mut others: Vec<(usize, &Grant)> = Vec::new();
    for grant in task.iter().flat_map(|task| &task.grants) {
        if grant.workloads.iter().any(|p| p.matches(&input.workload)) {
            let considered = decision.grants.iter().find(|one| one.grant == grant.id);
            grants.extend(considered.cloned());
        } else {
            others.push((workload::nearness(grant, &input.workload), grant));
        }
    }
    let is_granted = !grants.is_empty();
    others.sort_by(|a, b| (b.0, &a.1.id).cmp(&(a.0, &b.1.id)));
    let listed = others.iter().take(MAX_OTHERS);
    grants.extend(listed.map(|(_, grant)| other(grant, input)));
    let is_denied = decision.allowed().is_err();
    Explanation {
        is_task_known: task.is_some(),
        grants,
        more_grants: others.len().saturating_sub(MAX_OTHERS),
        lifetimes: lifetimes::of(policy, input, &decision),
        near_misses: if is_denied {
            near_misses::of(policy, input, &decision)
        } else {
            Vec::new()
        },
        unmet: if is_denied {
            unmet::of(policy, input, &decision)
        } else {
            Vec::new()
        },
        own_tasks: if is_granted {
            Vec::new()
        } else {
            workload::tasks(policy, &input.workload)
        },
        decision,
    }
}

/// A grant that is for others.
fn other(grant: &Grant, input: &Input) -> ConsideredGrant {
    ConsideredGrant {
        grant: grant.id.clone(),
        place: grant.place.clone(),
        mode: grant.mode,
        failed: Some(FailedCondition {
            condition: "workload".to_owned(),
            expected: workload::expected(grant, &input.workload),
            value: Some(input.workload.to_string()),
        }),
    }
}
