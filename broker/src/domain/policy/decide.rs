//! The decision: may this workload do this task, and what is it handed?

use std::sync::Arc;

use taskpass_proto::reason::Reason;

use super::decision::{ConsideredGrant, Decision, Denied, Environment, FailedCondition, Outcome};
use super::pattern::WorkloadPattern;
use super::permit::permit;
use super::request::Request;
use super::snapshot::{Grant, Policy, Task};

/// How many grants of other workloads a denial lists.
const MAX_LISTED: usize = 8;

impl Policy {
    /// Decides a request, keeping every reason.
    ///
    /// An unknown task and one that is not granted give the same reason, and what is wrong with parameters is
    /// told only to workloads that some grant of the task is for.
    pub fn decide(&self, request: &Request<'_>) -> Decision {
        self.decide_in(request, self.environment(request.subject))
    }

    /// Decides a request as if the workload belonged to this environment.
    pub(super) fn decide_in(&self, request: &Request<'_>, environment: Environment) -> Decision {
        let mut decision = Decision {
            policy: self.hash(),
            identity: self
                .identity(request.subject)
                .map(|identity| identity.name.clone()),
            environment,
            grants: Vec::new(),
            credentials: Vec::new(),
            outcome: Outcome::Denied(not_granted(request, "there is no such task")),
        };
        let Some(task) = self.tasks.get(request.task) else {
            return decision;
        };
        let matching = task.grants_for(request);
        if matching.is_empty() {
            let count = task.grants.len();
            let why = format!("no grant is for the workload; the task has {count} for others");
            decision.outcome = Outcome::Denied(not_granted(request, &why));
            decision.grants = task.first_mismatches(request);
            return decision;
        }
        if let Some((failed, denied)) = first_bad_parameter(task, request) {
            decision.grants = considered(&matching, Some(&failed));
            decision.outcome = Outcome::Denied(denied);
            return decision;
        }
        decision.grants = considered(&matching, None);
        let (credentials, outcome) = permit(task, &matching, &decision.environment, request);
        decision.credentials = credentials;
        decision.outcome = match outcome {
            Ok(allowed) => Outcome::Allowed(allowed),
            Err(denied) => Outcome::Denied(denied),
        };
        decision
    }
}

impl Task {
    /// The grants whose workload pattern matches, in the order of the file.
    fn grants_for(&self, request: &Request<'_>) -> Vec<&Grant> {
        let mut positions: Vec<_> = self.by_workload.matches(request.subject).copied().collect();
        positions.sort_unstable();
        positions.dedup();
        positions
            .into_iter()
            .filter_map(|at| self.grants.get(at))
            .collect()
    }

    fn first_mismatches(&self, request: &Request<'_>) -> Vec<ConsideredGrant> {
        let mismatch = |grant: &Grant| {
            let patterns: Vec<_> = grant
                .workloads
                .iter()
                .take(MAX_LISTED)
                .map(WorkloadPattern::as_str)
                .collect();
            considered_grant(
                grant,
                Some(FailedCondition {
                    condition: "workload".to_owned(),
                    expected: patterns.join(", "),
                    value: Some(request.subject.to_string()),
                }),
            )
        };
        self.grants.iter().take(MAX_LISTED).map(mismatch).collect()
    }
}

fn first_bad_parameter(task: &Task, request: &Request<'_>) -> Option<(FailedCondition, Denied)> {
    if let Some((name, value)) = request
        .parameters
        .iter()
        .find(|(name, _)| !task.parameters.contains_key(name.as_str()))
    {
        let declared: Vec<_> = task.parameters.keys().map(|name| &**name).collect();
        let expected = if declared.is_empty() {
            "no parameters".to_owned()
        } else {
            format!("only the parameters `{}`", declared.join("`, `"))
        };
        let what = "is not declared by the task";
        return Some(bad_parameter(
            Reason::ParameterUndeclared,
            (name, Some(value)),
            what,
            expected,
        ));
    }
    for (name, parameter) in &task.parameters {
        let value = request.parameters.get(&**name);
        let (reason, what) = match value {
            None if parameter.is_optional => continue,
            None => (Reason::ParameterMissing, "is missing"),
            Some(value) if parameter.accepts(value) => continue,
            Some(_) => (Reason::ParameterInvalid, "is not what the task takes"),
        };
        return Some(bad_parameter(
            reason,
            (name, value),
            what,
            parameter.expected(),
        ));
    }
    None
}

fn bad_parameter(
    reason: Reason,
    (name, value): (&str, Option<&String>),
    what: &str,
    expected: String,
) -> (FailedCondition, Denied) {
    let message = format!("parameter `{name}` {what}");
    let given = value.map_or_else(|| "nothing".to_owned(), |value| format!("{value:?}"));
    let explanation = format!("{message}: expected {expected}, got {given}");
    let failed = FailedCondition {
        condition: format!("params.{name}"),
        expected,
        value: value.cloned(),
    };
    let denied = Denied {
        reason,
        message,
        explanation,
    };
    (failed, denied)
}

/// INVARIANT: the message is the same for an unknown task and for one that is not granted, or a caller could
/// find out which tasks exist.
fn not_granted(request: &Request<'_>, why: &str) -> Denied {
    Denied {
        reason: Reason::TaskNotGranted,
        message: "no grant lets this workload do this task".to_owned(),
        explanation: format!(
            "task {:?}, workload `{}`: {why}",
            request.task, request.subject
        ),
    }
}

fn considered(grants: &[&Grant], failed: Option<&FailedCondition>) -> Vec<ConsideredGrant> {
    grants
        .iter()
        .map(|grant| considered_grant(grant, failed.cloned()))
        .collect()
}

fn considered_grant(grant: &Grant, failed: Option<FailedCondition>) -> ConsideredGrant {
    ConsideredGrant {
        grant: grant.id.clone(),
        place: Arc::clone(&grant.place),
        failed,
    }
}
