//! Tests of a policy: what is given, and what is expected.

mod compare;
mod coverage;
mod names;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use taskpass_proto::reason::Reason;

use super::input::Input;
use crate::domain::policy::{Decision, Diagnostic, Place, Policy, SourceFile, read};

pub use compare::Mismatch;
pub use coverage::{Coverage, Rule};

/// One test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// What it is called; a row of a table has its number in it.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// The request.
    pub given: Input,
    /// What should come out.
    pub expected: Expected,
}

/// What should come out of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// Exactly these credentials.
    Allow(BTreeMap<Arc<str>, ExpectedCredential>),
    /// A denial.
    Deny {
        /// For this reason.
        reason: Reason,
        /// A text that stands in the explanation.
        because: Option<Arc<str>>,
    },
}

/// What a credential should be; what is not said may be anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExpectedCredential {
    /// Exactly these scopes, in any order.
    pub scopes: Option<Vec<String>>,
    /// Exactly this lifetime.
    pub ttl: Option<Duration>,
    /// Exactly this audience, by its URI.
    pub audience: Option<Arc<str>>,
}

/// What became of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome<'a> {
    /// The test.
    pub case: &'a Case,
    /// What was decided.
    pub decision: Decision,
    /// How that differs from what was expected; nothing when the test passed.
    pub mismatches: Vec<Mismatch>,
}

/// Reads the tests of some files, all or nothing.
pub fn read_cases(files: &[SourceFile]) -> Result<Vec<Case>, Vec<Diagnostic>> {
    read::test_files(files)
}

/// Finds names of tasks and credentials in tests that the policy does not have: errors, and warnings where a
/// test expects nothing else.
pub fn unknown_names(policy: &Policy, cases: &[Case]) -> Vec<Diagnostic> {
    names::unknown(policy, cases)
}

/// Runs a test.
pub fn run<'a>(policy: &Policy, case: &'a Case) -> Outcome<'a> {
    let decision = policy.decide(&case.given.request());
    Outcome {
        case,
        mismatches: compare::mismatches(&case.expected, &decision),
        decision,
    }
}

impl Outcome<'_> {
    /// Whether everything came out as expected.
    pub fn has_passed(&self) -> bool {
        self.mismatches.is_empty()
    }
}
