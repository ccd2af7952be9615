//! What would have to be otherwise. Near misses are tried, and it is told what then comes out.

use serde::Serialize;
use taskpass_identity::SpiffeId;

use super::workload::{example, nearest, nearness};
use crate::domain::policy::snapshot::{Grant, Policy};
use crate::domain::policy::suggest::suggest;
use crate::domain::policy::tools::input::Input;
use crate::domain::policy::{
    CredentialVerdict, Decision, Environment, Parameter, ParameterKind, Wanted,
};

/// Near misses of one kind that are told.
const MAX_TOLD: usize = 3;
/// Values of one parameter that are tried.
const MAX_VALUES: usize = 20;

/// A request that differs in one thing, and what comes out for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NearMiss {
    /// What would be otherwise, as in "if the task were `deploy-docs`".
    pub change: String,
    /// `allowed`, the reason of the denial that is left, or `not tried` where no value was found to try.
    pub outcome: &'static str,
}

/// What would have to be otherwise for a request that was denied; what would be allowed goes first.
pub(super) fn of(policy: &Policy, input: &Input, decision: &Decision) -> Vec<NearMiss> {
    let mut misses = Vec::new();
    match policy.tasks.get(&*input.task) {
        None => misses.extend(other_task(policy, input)),
        Some(task) if is_granted(&task.grants, &input.workload) => {
            misses.extend(parameters(policy, input));
            misses.extend(fewer_credentials(policy, input, decision));
            misses.extend(environments(policy, input, decision));
        }
        Some(task) => misses.extend(other_workloads(policy, input, &task.grants)),
    }
    misses.sort_by_key(|miss| miss.outcome != ALLOWED);
    misses
}

const ALLOWED: &str = "allowed";
const NOT_TRIED: &str = "not tried";

fn is_granted(grants: &[Grant], workload: &SpiffeId) -> bool {
    let mut patterns = grants.iter().flat_map(|grant| &grant.workloads);
    patterns.any(|pattern| pattern.matches(workload))
}

fn other_task(policy: &Policy, input: &Input) -> Option<NearMiss> {
    let meant = suggest(&input.task, policy.tasks.keys().map(|name| &**name))?;
    let tried = Input {
        task: meant.to_owned(),
        ..input.clone()
    };
    Some(miss(policy, format!("if the task were `{meant}`"), &tried))
}

fn other_workloads(policy: &Policy, input: &Input, grants: &[Grant]) -> Vec<NearMiss> {
    let mut near: Vec<&Grant> = grants.iter().collect();
    near.sort_by_key(|grant| std::cmp::Reverse(nearness(grant, &input.workload)));
    let tried = near.into_iter().take(MAX_TOLD).filter_map(|grant| {
        let pattern = *nearest(grant, &input.workload).first()?;
        let tried = Input {
            workload: example(pattern, &input.workload)?,
            ..input.clone()
        };
        let example = &tried.workload;
        let change = if example.as_str() == pattern.as_str() {
            format!("if the workload were `{example}`")
        } else {
            format!("if the workload were one of `{pattern}`, for instance `{example}`")
        };
        Some(miss(policy, change, &tried))
    });
    tried.collect()
}

/// Takes what is misspelt for what is declared, leaves out what is not, and tries values for those that are bad.
fn parameters(policy: &Policy, input: &Input) -> Vec<NearMiss> {
    let Some(task) = policy.tasks.get(&*input.task) else {
        return Vec::new();
    };
    let mut misses = Vec::new();
    let mut tried = input.clone();
    let mut renamed = Vec::new();
    for (name, value) in &input.parameters {
        let declared = task.parameters.keys().map(|name| &**name);
        let mut left = declared.filter(|name| !tried.parameters.contains_key(*name));
        if !task.parameters.contains_key(name.as_str())
            && let Some(meant) = suggest(name, &mut left)
        {
            renamed.push(format!(
                "parameter `{name}` were `{meant}` (did you mean `{meant}`?)"
            ));
            tried.parameters.remove(name);
            tried.parameters.insert(meant.to_owned(), value.clone());
        }
    }
    if !renamed.is_empty() {
        let change = format!("if {}", renamed.join(", and "));
        misses.push(miss(policy, change, &tried));
    }
    let count = tried.parameters.len();
    tried
        .parameters
        .retain(|name, _| task.parameters.contains_key(name.as_str()));
    if tried.parameters.len() < count {
        let change = "if only declared parameters were given".to_owned();
        misses.push(miss(policy, change, &tried));
    }
    for (name, parameter) in &task.parameters {
        let is_fine = match tried.parameters.get(&**name) {
            None => parameter.is_optional,
            Some(value) => parameter.accepts(value),
        };
        if !is_fine {
            misses.extend(values(policy, &tried, (name, parameter)));
        }
    }
    misses
}

/// Tries each value where they are listed, and else one.
fn values(policy: &Policy, input: &Input, (name, parameter): (&str, &Parameter)) -> Vec<NearMiss> {
    let listed: Vec<String> = match &parameter.kind {
        ParameterKind::OneOf(values) => values.iter().map(ToString::to_string).collect(),
        ParameterKind::Boolean => vec!["true".to_owned(), "false".to_owned()],
        ParameterKind::Integer { .. }
        | ParameterKind::Token
        | ParameterKind::Path
        | ParameterKind::Text => Vec::new(),
    };
    let with = |change: String, value: String| {
        let mut tried = input.clone();
        tried.parameters.insert(name.to_owned(), value);
        miss(policy, change, &tried)
    };
    let accepted = listed.into_iter().filter(|value| parameter.accepts(value));
    let accepted: Vec<String> = accepted.collect();
    let more = accepted.len().saturating_sub(MAX_VALUES);
    let mut misses: Vec<NearMiss> = accepted
        .into_iter()
        .take(MAX_VALUES)
        .map(|value| with(format!("if `params.{name}` were `{value}`"), value))
        .collect();
    if more > 0 {
        misses.push(not_tried(format!(
            "if `params.{name}` were one of {more} more values"
        )));
    }
    if misses.is_empty() {
        let change = format!("if `params.{name}` were {}", parameter.expected());
        misses.push(match parameter.example() {
            Some(value) => with(format!("{change}, for instance `{value}`"), value),
            None => not_tried(change),
        });
    }
    misses
}

fn not_tried(change: String) -> NearMiss {
    NearMiss {
        change,
        outcome: NOT_TRIED,
    }
}

/// Asks only for what can be given.
fn fewer_credentials(policy: &Policy, input: &Input, decision: &Decision) -> Option<NearMiss> {
    let whole = Input {
        wanted: Vec::new(),
        ..input.clone()
    };
    if input.wanted.is_empty() {
        return None;
    }
    let everything = policy.decide(&whole.request());
    let given = &everything.allowed().ok()?.credentials;
    let (kept, left_out): (Vec<Wanted>, Vec<Wanted>) =
        input.wanted.iter().cloned().partition(|wanted| {
            given
                .iter()
                .any(|permitted| *permitted.name == *wanted.name)
        });
    if kept.is_empty() || left_out.is_empty() {
        let change = "if no credentials were asked for by name".to_owned();
        let scopes = decision.credentials.iter().any(|considered| {
            matches!(
                considered.verdict,
                CredentialVerdict::ScopeNotGranted { .. }
            )
        });
        let change = if scopes && left_out.is_empty() {
            "if no scopes were asked for by name".to_owned()
        } else {
            change
        };
        return Some(miss(policy, change, &whole));
    }
    let names: Vec<_> = left_out.iter().map(|wanted| &*wanted.name).collect();
    let tried = Input {
        wanted: kept,
        ..input.clone()
    };
    let change = format!("if `{}` were not asked for", names.join("`, `"));
    Some(miss(policy, change, &tried))
}

/// Where the workload would have to belong.
fn environments(policy: &Policy, input: &Input, decision: &Decision) -> Vec<NearMiss> {
    let withheld = decision.credentials.iter().filter_map(|considered| {
        if let CredentialVerdict::OtherEnvironment { environment } = &considered.verdict {
            Some(environment)
        } else {
            None
        }
    });
    let mut names: Vec<_> = withheld.collect();
    names.sort_unstable();
    names.dedup();
    let one = |name: &&std::sync::Arc<str>| {
        let change = format!("if the workload were in environment `{name}` alone");
        let decision = policy.decide_in(&input.request(), Environment::One((**name).clone()));
        NearMiss {
            change,
            outcome: word(&decision),
        }
    };
    names.iter().take(MAX_TOLD).map(one).collect()
}

fn miss(policy: &Policy, change: String, tried: &Input) -> NearMiss {
    NearMiss {
        change,
        outcome: word(&policy.decide(&tried.request())),
    }
}

fn word(decision: &Decision) -> &'static str {
    match decision.allowed() {
        Ok(_) => ALLOWED,
        Err(denied) => denied.reason.code(),
    }
}
