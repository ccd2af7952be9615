//! Conditions that stand against a request: of the grants for its workload, and of guardrails.

use cedar_policy::{EvalResult, Expression, Policy as CedarPolicy, eval_expression};
use serde::Serialize;

use crate::domain::policy::condition::{Condition, ENTITIES, Facts, Token, Tokens};
use crate::domain::policy::snapshot::{Grant, GrantMode, Policy, Task};
use crate::domain::policy::tools::input::Input;
use crate::domain::policy::{Decision, Guardrail};

/// A condition that would have to come out otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unmet {
    /// Whose it is, and what would have to be: "if `when` of grant deploy-docs#2 held".
    pub change: String,
    /// The condition, or the whole guardrail, on one line.
    pub condition: String,
    /// Each attribute that it looks at, with its value.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub values: String,
    /// Where it has several parts that could have decided, those that did: parts of a `when` that do not hold,
    /// or of an `unless` that do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<String>,
}

/// Every condition that stood against the request.
pub(super) fn of(policy: &Policy, input: &Input, decision: &Decision) -> Vec<Unmet> {
    let Some(task) = policy.tasks.get(&*input.task) else {
        return Vec::new();
    };
    let failed = decision.grants.iter().filter_map(|considered| {
        let failed = considered.failed.as_ref()?;
        let grants = task.grants.iter();
        let mut grants = grants.filter(|grant| grant.mode == GrantMode::Enforce);
        let grant = grants.find(|grant| grant.id == considered.grant)?;
        of_grant(&failed.condition, grant, &|condition| {
            facts(policy, task, input, decision, condition)
        })
    });
    let guardrails = decision.guardrails.iter().filter_map(|forbidding| {
        let mut all = policy.guardrails().iter();
        let guardrail = all.find(|one| one.place == forbidding.place)?;
        Some(of_guardrail(guardrail, &forbidding.values))
    });
    failed.chain(guardrails).collect()
}

fn facts(
    policy: &Policy,
    task: &Task,
    input: &Input,
    decision: &Decision,
    condition: &Condition,
) -> Option<Facts> {
    let who = (&decision.environment, policy.identity(&input.workload));
    Facts::gather(&input.request(), task, who, condition.looks().needs()).ok()
}

fn of_grant(
    name: &str,
    grant: &Grant,
    facts: &dyn Fn(&Condition) -> Option<Facts>,
) -> Option<Unmet> {
    let (condition, operator, decides, held) = match name {
        "when" => (grant.when.as_ref()?, "&&", false, "held"),
        "unless" => (grant.unless.as_ref()?, "||", true, "did not hold"),
        _ => return None,
    };
    let facts = facts(condition)?;
    // What cannot be evaluated is told with the grant.
    condition.holds(&facts).ok()?;
    Some(Unmet {
        change: format!("if `{name}` of grant {} {held}", grant.id),
        condition: shown(condition),
        values: condition.values(&facts),
        parts: deciding(condition.as_str(), operator, decides, &facts).unwrap_or_default(),
    })
}

fn of_guardrail(guardrail: &Guardrail, values: &str) -> Unmet {
    Unmet {
        change: format!("if guardrail `{}` did not forbid it", guardrail.name),
        condition: on_one_line(&guardrail.canonical()),
        values: values.to_owned(),
        parts: Vec::new(),
    }
}

/// The operands of the outermost operator that come out as `decides`; none where it is another operator.
fn deciding(text: &str, operator: &str, decides: bool, facts: &Facts) -> Option<Vec<String>> {
    let whole = format!("permit(principal, action, resource) when {{\n{text}\n}};");
    let policy = CedarPolicy::parse(None, whole).ok()?.to_json().ok()?;
    // Only Cedar's own parser knows which operator is the outermost.
    policy.pointer("/conditions/0/body")?.get(operator)?;
    let decided = operands(text, operator).into_iter().filter(|operand| {
        let Ok(expression) = operand.parse::<Expression>() else {
            return false;
        };
        let result = eval_expression(facts.request(), &ENTITIES, &expression);
        matches!(result, Ok(EvalResult::Bool(holds)) if holds == decides)
    });
    Some(decided.map(without_comments).collect())
}

/// What stands between the operators outside of brackets, texts and comments.
fn operands<'a>(text: &'a str, operator: &str) -> Vec<&'a str> {
    let mut depth = 0_usize;
    let mut begin = 0;
    let mut operands = Vec::new();
    for (at, token) in Tokens::new(text) {
        let rest = text.get(at..).unwrap_or_default();
        match token {
            Token::Open => depth += 1,
            Token::Close => depth = depth.saturating_sub(1),
            Token::Operator if depth == 0 && at >= begin && rest.starts_with(operator) => {
                operands.extend(text.get(begin..at));
                begin = at + operator.len();
            }
            Token::Operator | Token::End | Token::Other => {}
        }
    }
    operands.extend(text.get(begin..));
    operands
}

/// On one line, comments left out.
fn without_comments(text: &str) -> String {
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    on_one_line(&lines.collect::<Vec<_>>().join(" "))
}

/// As it was written, unless comments in it would hide the rest of the line.
fn shown(condition: &Condition) -> String {
    let text = condition.as_str();
    if text.contains("//") {
        on_one_line(condition.canonical())
    } else {
        on_one_line(text)
    }
}

fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
