//! Conditions: Cedar expressions over a request's context.
//!
//! - [`Condition`]: one that was checked, and can be evaluated
//! - `check`: text → condition, or what is wrong in it and where
//! - `limits`: what a text may be before a parser sees it
//! - `schema`: what conditions may look at, as a Cedar schema
//! - `facts`: a request, as Cedar sees it
//! - `look`: which attributes an expression looks at, and what it compares them with

mod check;
mod facts;
mod limits;
mod look;
mod schema;

use std::sync::Arc;

use cedar_policy::{Entities, EvalResult, Expression, eval_expression};

pub(super) use self::check::{
    Checked, Checker, Known, Mistake, MistakeKind, TaskName, explain, syntax,
};
pub(super) use self::facts::Facts;
pub(super) use self::limits::{LONGEST_GUARDRAIL, Token, Tokens, check as check_limits};
pub(super) use self::look::Looks;
pub(super) use self::schema::{Shape, TASK, WORKLOAD};

/// A condition that was checked against the schema of its task.
#[derive(Debug)]
pub(super) struct Condition {
    text: Arc<str>,
    expression: Expression,
    looks: Looks,
}

impl Condition {
    /// The condition as it was written.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it holds, or why that cannot be said.
    pub(super) fn holds(&self, facts: &Facts) -> Result<bool, String> {
        match eval_expression(facts.request(), &Entities::empty(), &self.expression) {
            Ok(EvalResult::Bool(holds)) => Ok(holds),
            Ok(_) => Err("the condition is neither true nor false".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// What it looks at.
    pub(super) fn looks(&self) -> &Looks {
        &self.looks
    }

    /// Each attribute that it looks at, with its value.
    pub(super) fn values(&self, facts: &Facts) -> String {
        self.looks.values(facts)
    }
}
