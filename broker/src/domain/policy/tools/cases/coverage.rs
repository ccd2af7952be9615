//! Which rules of a policy are touched by tests.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

use super::Outcome;
use crate::domain::policy::{Grant, GrantId, GrantMode, Policy};

/// How much of a policy is touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// How many rules there are.
    pub rules: usize,
    /// How many of them some test touches.
    pub touched: usize,
    /// Those that no test touches: grants by which no test is let in, guardrails by which no test is refused.
    pub untouched: Vec<Rule>,
}

/// A rule that can be touched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Rule {
    /// Its name: `deploy-docs#2`.
    pub name: String,
    /// Where it stands: `file:line`.
    pub place: Arc<str>,
}

impl Coverage {
    /// What these tests touch.
    pub fn of(policy: &Policy, outcomes: &[Outcome<'_>]) -> Self {
        let granted: BTreeSet<&GrantId> = outcomes
            .iter()
            .filter_map(|outcome| outcome.decision.allowed().ok())
            .flat_map(|allowed| &allowed.grants)
            .collect();
        let mut rules = 0;
        let mut untouched = Vec::new();
        let enforced = |grant: &&Grant| grant.mode == GrantMode::Enforce;
        for grant in policy
            .tasks
            .values()
            .flat_map(|task| &task.grants)
            .filter(enforced)
        {
            rules += 1;
            if !granted.contains(&grant.id) {
                untouched.push(Rule {
                    name: grant.id.to_string(),
                    place: grant.place.clone(),
                });
            }
        }
        let forbidden: BTreeSet<&Arc<str>> = outcomes
            .iter()
            .flat_map(|outcome| &outcome.decision.guardrails)
            .map(|guardrail| &guardrail.name)
            .collect();
        for guardrail in policy.guardrails() {
            rules += 1;
            if !forbidden.contains(&guardrail.name) {
                untouched.push(Rule {
                    name: guardrail.name.to_string(),
                    place: guardrail.place.clone(),
                });
            }
        }
        untouched.sort();
        Self {
            rules,
            touched: rules - untouched.len(),
            untouched,
        }
    }

    /// The touched part in hundredths, rounded down; all of nothing is everything.
    pub fn percent(&self) -> u8 {
        let percent = (self.touched * 100).checked_div(self.rules).unwrap_or(100);
        u8::try_from(percent).unwrap_or(100)
    }
}
