//! Guardrails: what is forbidden to everybody.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use cedar_policy::{AuthorizationError, Authorizer, PolicySet};

use super::condition::{ENTITIES, Facts, Looks, canonical_rule};
use super::decision::ForbiddingGuardrail;
use super::request::Request;

static AUTHORIZER: LazyLock<Authorizer> = LazyLock::new(Authorizer::new);

/// A `forbid` of a guardrail file.
#[derive(Debug)]
pub struct Guardrail {
    /// Its name: its `@id`, or its place.
    pub name: Arc<str>,
    /// Where it stands: `file:line`.
    pub place: Arc<str>,
    /// As it was written.
    pub text: Arc<str>,
    pub(super) scope: Scope,
    /// This one alone.
    pub(super) policy: PolicySet,
    pub(super) looks: Looks,
}

/// Whom a guardrail can concern, as far as its head says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scope {
    /// Only this task.
    Task(Arc<str>),
    /// Only this workload.
    Workload(Arc<str>),
    /// Anybody.
    All,
}

/// Every guardrail, found by what it can concern.
#[derive(Debug, Default)]
pub(super) struct Guardrails {
    all: Vec<Guardrail>,
    by_task: HashMap<Arc<str>, Vec<usize>>,
    by_workload: HashMap<Arc<str>, Vec<usize>>,
    of_everybody: Vec<usize>,
}

impl Guardrails {
    pub(super) fn new(all: Vec<Guardrail>) -> Self {
        let mut index = Self::default();
        for (position, guardrail) in all.iter().enumerate() {
            match &guardrail.scope {
                Scope::Task(name) => index
                    .by_task
                    .entry(name.clone())
                    .or_default()
                    .push(position),
                Scope::Workload(id) => index
                    .by_workload
                    .entry(id.clone())
                    .or_default()
                    .push(position),
                Scope::All => index.of_everybody.push(position),
            }
        }
        Self { all, ..index }
    }

    pub(super) fn all(&self) -> &[Guardrail] {
        &self.all
    }

    /// Those that can concern a request, in the order of files and lines.
    pub(super) fn concerning(&self, request: &Request<'_>) -> Vec<&Guardrail> {
        let of_task = self.by_task.get(request.task).into_iter().flatten();
        let of_workload = self
            .by_workload
            .get(request.subject.as_str())
            .into_iter()
            .flatten();
        let mut positions: Vec<_> = of_task
            .chain(of_workload)
            .chain(&self.of_everybody)
            .copied()
            .collect();
        positions.sort_unstable();
        positions
            .into_iter()
            .filter_map(|at| self.all.get(at))
            .collect()
    }
}

impl Guardrail {
    /// The rule in the one form that Cedar writes, whatever its layout and its annotations are.
    pub(super) fn canonical(&self) -> String {
        canonical_rule(&self.text).unwrap_or_else(|| self.text.to_string())
    }

    /// Why it forbids the request; none when it does not.
    ///
    /// INVARIANT: one that cannot be evaluated forbids. Cedar's own decision would skip it.
    pub(super) fn forbids(&self, facts: &Facts) -> Option<ForbiddingGuardrail> {
        let response = AUTHORIZER.is_authorized(facts.request(), &self.policy, &ENTITIES);
        let errors: Vec<_> = response
            .diagnostics()
            .errors()
            // Without the name that Cedar gave the rule.
            .map(|AuthorizationError::PolicyEvaluationError(error)| error.inner().to_string())
            .collect();
        let holds = response.diagnostics().reason().next().is_some();
        (holds || !errors.is_empty()).then(|| self.forbidding(facts, &errors))
    }

    fn forbidding(&self, facts: &Facts, errors: &[String]) -> ForbiddingGuardrail {
        ForbiddingGuardrail {
            name: self.name.clone(),
            place: self.place.clone(),
            values: self.looks.values(facts),
            error: (!errors.is_empty()).then(|| errors.join("; ")),
        }
    }
}
