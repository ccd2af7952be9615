//! The decision: may this workload do this task, and what is it handed?

use std::sync::Arc;

use taskpass_proto::reason::Reason;

use super::condition::{Facts, Needs};
use super::decision::{
    ConsideredGrant, Decision, Denied, Environment, FailedCondition, ForbiddingGuardrail, Outcome,
};
use super::pattern::WorkloadPattern;
use super::permit::{Terms, permit};
use super::request::Request;
use super::snapshot::{Grant, GrantMode, Policy, Task};

/// How many grants of other workloads a denial lists.
const MAX_LISTED: usize = 8;
/// How many grants for the workload a denial tells the causes of; the decision has all.
const MAX_CAUSES: usize = 3;

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
        let identity = self.identity(request.subject);
        let mut decision = Decision {
            policy: self.hash(),
            identity: identity.map(|identity| identity.name.clone()),
            environment,
            circumstances: request.circumstances.clone(),
            grants: Vec::new(),
            guardrails: Vec::new(),
            credentials: Vec::new(),
            outcome: Outcome::Denied(not_granted(request, "there is no such task")),
            with_audit_grants: None,
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
        let guardrails = self.guardrails.concerning(request);
        let is_unconditional =
            guardrails.is_empty() && matching.iter().all(|grant| grant.is_unconditional());
        let facts = if is_unconditional {
            None
        } else {
            let of_grants = matching.iter().map(|grant| grant.needs());
            let of_guardrails = guardrails.iter().map(|guardrail| guardrail.looks.needs());
            let needs = of_grants.chain(of_guardrails).fold(Needs::NONE, Needs::and);
            match Facts::gather(request, task, (&decision.environment, identity), needs) {
                Ok(facts) => Some(facts),
                Err(error) => {
                    decision.outcome = Outcome::Denied(not_evaluated(&error));
                    return decision;
                }
            }
        };
        let applying = Applying::among(matching, facts.as_ref());
        decision.grants = applying.considered;
        if let Some(facts) = &facts {
            decision.guardrails = guardrails
                .iter()
                .filter_map(|guardrail| guardrail.forbids(facts))
                .collect();
        }
        let is_refused = !decision.guardrails.is_empty() || applying.error.is_some();
        decision.outcome = match (&decision.guardrails[..], applying.error) {
            ([first, rest @ ..], _) => Outcome::Denied(forbidden(first, rest)),
            ([], Some(error)) => Outcome::Denied(not_evaluated(&error)),
            ([], None) if applying.enforced.is_empty() => {
                Outcome::Denied(not_met(request, &decision.grants))
            }
            ([], None) => {
                let terms = Terms {
                    task,
                    environment: &decision.environment,
                    ceilings: &self.ceilings,
                };
                let (credentials, outcome) = permit(&terms, &applying.enforced, request);
                decision.credentials = credentials;
                outcome.map_or_else(Outcome::Denied, Outcome::Allowed)
            }
        };
        if !is_refused && !applying.audited.is_empty() {
            let terms = Terms {
                task,
                environment: &decision.environment,
                ceilings: &self.ceilings,
            };
            let all: Vec<_> = applying
                .enforced
                .into_iter()
                .chain(applying.audited)
                .collect();
            let (_, outcome) = permit(&terms, &all, request);
            decision.with_audit_grants =
                Some(outcome.map_or_else(Outcome::Denied, Outcome::Allowed));
        }
        decision
    }
}

/// Which of the grants for a workload apply.
#[derive(Default)]
struct Applying<'a> {
    enforced: Vec<&'a Grant>,
    audited: Vec<&'a Grant>,
    considered: Vec<ConsideredGrant>,
    /// Why an enforced grant could not be evaluated.
    error: Option<String>,
}

impl<'a> Applying<'a> {
    fn among(matching: Vec<&'a Grant>, facts: Option<&Facts>) -> Self {
        let mut applying = Self::default();
        for grant in matching {
            let failed = grant.first_failed(facts);
            if let Err(NotMet {
                error: Some(error), ..
            }) = &failed
                && grant.mode == GrantMode::Enforce
            {
                let error = format!("grant `{}`: {error}", grant.id);
                applying.error.get_or_insert(error);
            }
            applying.considered.push(considered_grant(
                grant,
                failed.as_ref().err().map(|not| not.failed.clone()),
            ));
            match (failed, grant.mode) {
                (Ok(()), GrantMode::Enforce) => applying.enforced.push(grant),
                (Ok(()), GrantMode::Audit) => applying.audited.push(grant),
                (Err(_), _) => {}
            }
        }
        applying
    }
}

/// A condition of a grant that is not met, or could not be evaluated.
struct NotMet {
    failed: FailedCondition,
    error: Option<String>,
}

impl Grant {
    fn is_unconditional(&self) -> bool {
        self.when.is_none() && self.unless.is_none()
    }

    /// What its conditions look at.
    fn needs(&self) -> Needs {
        let conditions = self.when.iter().chain(&self.unless);
        conditions
            .map(|condition| condition.looks().needs())
            .fold(Needs::NONE, Needs::and)
    }

    /// INVARIANT: a condition that cannot be evaluated is not met, `unless` as well as `when`.
    fn first_failed(&self, facts: Option<&Facts>) -> Result<(), NotMet> {
        for (name, condition, wanted) in
            [("when", &self.when, true), ("unless", &self.unless, false)]
        {
            let Some(condition) = condition else { continue };
            let result = facts.map_or_else(
                || Err("there is nothing to evaluate it on".to_owned()),
                |facts| condition.holds(facts),
            );
            let error = match result {
                Ok(holds) if holds == wanted => continue,
                Ok(_) => None,
                Err(error) => Some(error),
            };
            // Told for those that fail alone: most decisions are permits.
            let values = facts.map_or_else(String::new, |facts| condition.values(facts));
            let value = error.as_ref().map_or_else(
                || values.clone(),
                |error| format!("error: {error}; {values}"),
            );
            let failed = FailedCondition {
                condition: name.to_owned(),
                expected: condition.as_str().to_owned(),
                value: Some(value),
            };
            return Err(NotMet { failed, error });
        }
        Ok(())
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

fn not_met(request: &Request<'_>, considered: &[ConsideredGrant]) -> Denied {
    let causes: Vec<_> = considered.iter().take(MAX_CAUSES).map(cause).collect();
    let more = match considered.len().saturating_sub(MAX_CAUSES) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    Denied {
        reason: Reason::TaskNotGranted,
        message: "no grant lets this workload do this task as it was asked, or at this time"
            .to_owned(),
        explanation: format!(
            "task {:?}, workload `{}`: {}{more}",
            request.task,
            request.subject,
            causes.join("; ")
        ),
    }
}

/// Why a grant for the workload does not apply.
fn cause(considered: &ConsideredGrant) -> String {
    let id = &considered.grant;
    let Some(failed) = &considered.failed else {
        return format!("grant `{id}` is in audit mode, which lets nothing through");
    };
    let is = match &*failed.condition {
        "unless" => "is met",
        _ => "is not met",
    };
    let value = failed.value.as_deref().unwrap_or_default();
    let mode = match considered.mode {
        GrantMode::Enforce => "",
        GrantMode::Audit => ", which is in audit mode,",
    };
    format!(
        "`{}` of grant `{id}`{mode} {is} ({value})",
        failed.condition
    )
}

fn forbidden(first: &ForbiddingGuardrail, rest: &[ForbiddingGuardrail]) -> Denied {
    let (name, place) = (&first.name, &first.place);
    let why = match &first.error {
        None if first.values.is_empty() => "forbids it".to_owned(),
        None => format!("forbids it ({})", first.values),
        Some(error) => format!("could not be evaluated, which forbids it: {error}"),
    };
    let others: Vec<_> = rest
        .iter()
        .map(|other| format!("`{}`", other.name))
        .collect();
    let others = match others.join(", ") {
        none if none.is_empty() => none,
        names => format!("; others that forbid it: {names}"),
    };
    Denied {
        reason: Reason::Forbidden,
        message: "a guardrail forbids it".to_owned(),
        explanation: format!("guardrail `{name}` at {place} {why}{others}"),
    }
}

fn not_evaluated(error: &str) -> Denied {
    Denied {
        reason: Reason::Forbidden,
        message: "a condition of the policy could not be evaluated".to_owned(),
        explanation: format!("what cannot be evaluated is denied: {error}"),
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
        mode: grant.mode,
        failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::policy::condition::Condition;

    #[test]
    fn a_condition_is_not_met_where_there_is_nothing_to_evaluate_it_on() {
        let condition = || Some(Arc::new(Condition::unchecked("true")));
        let grant = |when, unless| Grant {
            id: super::super::GrantId {
                task: "a".into(),
                number: 1,
            },
            place: "a.toml:1".into(),
            workloads: Vec::new(),
            credentials: Vec::new(),
            max_ttl: None,
            max_live_jobs: 1,
            mode: GrantMode::Enforce,
            when,
            unless,
        };
        assert!(grant(None, None).first_failed(None).is_ok());
        assert!(grant(condition(), None).first_failed(None).is_err());
        assert!(grant(None, condition()).first_failed(None).is_err());
    }
}
