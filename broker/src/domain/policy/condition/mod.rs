//! Conditions: Cedar expressions over a request's context.
//!
//! - [`Condition`]: one that was checked, and can be evaluated
//! - `check`: text → condition, or what is wrong in it and where
//! - `mistake`: something wrong in a text; `syntax`, `attributes`, `known`: with what to write instead
//! - `limits`: what a text may be before a parser sees it
//! - `schema`: what conditions may look at, as a Cedar schema
//! - `facts`: a request, as Cedar sees it
//! - `overflow`: arithmetic that could overflow
//! - `possible`: conditions that can never hold, or that always do
//! - `needs`: which parts of it a rule needs
//! - `constant`: which conditions may be the same for every request
//! - `look`: which attributes an expression looks at, and what it compares them with
//! - `rule`: a rule in the one form that Cedar writes

mod attributes;
mod check;
mod constant;
mod facts;
mod known;
mod limits;
mod look;
mod mistake;
mod needs;
mod overflow;
mod possible;
mod rule;
mod schema;
mod syntax;

use std::sync::{Arc, LazyLock, OnceLock};

use cedar_policy::{Entities, EvalResult, Expression, eval_expression};

pub(super) use self::check::Checker;
use self::check::{AFTER, BEFORE};
pub(super) use self::facts::Facts;
pub(super) use self::known::{Known, Vocabulary, explain};
pub(super) use self::limits::{LONGEST_GUARDRAIL, Token, Tokens, check as check_limits, comments};
pub(super) use self::look::Looks;
pub(super) use self::mistake::{Mistake, MistakeKind};
pub(super) use self::needs::Needs;
pub(super) use self::overflow::overflowing;
pub(super) use self::possible::{Formula, impossible, never_both};
pub(super) use self::rule::canonical as canonical_rule;
pub(super) use self::schema::{Shape, TASK, WORKLOAD, cedar_type};
pub(super) use self::syntax::syntax;

/// There are none: whatever rules look at stands in the context.
pub(super) static ENTITIES: LazyLock<Entities> = LazyLock::new(Entities::empty);

/// A condition that was checked against the schema of its task.
#[derive(Debug)]
pub(super) struct Condition {
    text: Arc<str>,
    expression: Expression,
    looks: Looks,
    /// Made when it is asked for, which decisions never do.
    canonical: OnceLock<Arc<str>>,
}

#[cfg(test)]
impl Condition {
    /// One that nobody has checked.
    pub(super) fn unchecked(text: &str) -> Self {
        Self {
            text: text.into(),
            expression: text.parse().expect("an expression"),
            looks: cedar_policy::Policy::parse(None, format!("{BEFORE}{text}{AFTER}"))
                .map(|policy| Looks::of_policy(&policy.to_json().expect("a rule")))
                .expect("an expression"),
            canonical: OnceLock::new(),
        }
    }
}

impl Condition {
    /// The condition as it was written.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// The condition in the one form that Cedar writes, whatever its layout was.
    pub(super) fn canonical(&self) -> &str {
        self.canonical.get_or_init(|| {
            let canonical = rule::canonical(&format!("{BEFORE}{}{AFTER}", self.text));
            let inner = canonical.as_deref().and_then(|text| {
                let (_, inner) = text.split_once('{')?;
                Some(inner.rsplit_once('}')?.0.trim())
            });
            inner.unwrap_or(&self.text).into()
        })
    }

    /// Whether it holds, or why that cannot be said.
    pub(super) fn holds(&self, facts: &Facts) -> Result<bool, String> {
        match eval_expression(facts.request(), &ENTITIES, &self.expression) {
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
