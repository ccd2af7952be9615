//! A rule as tests of single attributes, joined by "and" and "or".

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::look;
use super::domain::entity;

/// A condition without negations but those of single tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::domain::policy) enum Formula {
    /// All of them have to hold; none of them always holds.
    All(Vec<Self>),
    /// One of them has to hold; none of them never holds.
    Any(Vec<Self>),
    /// A test that has to come out so.
    Test(Test, bool),
}

/// A question about one attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::domain::policy) struct Test {
    /// The attribute: `context.time.hour`. Of what cannot be taken apart, all of it as Cedar's JSON.
    pub(super) attribute: String,
    pub(super) asks: Asks,
}

/// What is asked of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::domain::policy) enum Asks {
    /// Is the text one of these?
    IsText(BTreeSet<String>),
    /// Is the number one of these?
    IsNumber(BTreeSet<i64>),
    /// Is the number this one or below?
    IsAtMost(i64),
    /// Does the text look like these pieces, with anything between them?
    IsLike(Vec<String>),
    /// Something about which nothing is known, but that asking twice gives the same answer.
    Anything,
}

impl Formula {
    /// The condition of a rule in Cedar's JSON form.
    ///
    /// Of one that calculates, nothing is said.
    pub(in crate::domain::policy) fn of_policy(policy: &Value) -> Option<Self> {
        if calculates(policy) {
            return None;
        }
        let conditions = policy.get("conditions").and_then(Value::as_array);
        let condition = |condition: &Value| {
            let is_when = condition.get("kind").and_then(Value::as_str) == Some("when");
            condition.get("body").map(|body| Self::of(body, is_when))
        };
        let conditions = conditions.into_iter().flatten().filter_map(condition);
        Some(Self::all(conditions))
    }

    /// What stands between the brackets of a rule that has one `unless` and nothing else.
    pub(in crate::domain::policy) fn of_unless(policy: &Value) -> Option<Self> {
        let conditions = policy.get("conditions").and_then(Value::as_array)?;
        let [only] = conditions.as_slice() else {
            return None;
        };
        if calculates(policy) {
            return None;
        }
        let is_unless = only.get("kind").and_then(Value::as_str) == Some("unless");
        let body = only.get("body").filter(|_| is_unless)?;
        Some(Self::of(body, true))
    }

    /// Whether something in it is one of several.
    pub(in crate::domain::policy) fn has_alternatives(&self) -> bool {
        match self {
            Self::All(parts) => parts.iter().any(Self::has_alternatives),
            Self::Any(_) => true,
            Self::Test(_, _) => false,
        }
    }

    /// Whether all that it asks of is the same for every grant and every policy: time, job, risk, reports.
    pub(in crate::domain::policy) fn is_universal(&self) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().all(Self::is_universal),
            Self::Test(test, _) => ["time", "job", "risk", "reported"].iter().any(|part| {
                let of_context = test.attribute.strip_prefix("context.");
                of_context.is_some_and(|name| name.starts_with(part))
            }),
        }
    }

    // The depth of the value is bounded by what is parsed at all.
    fn of(value: &Value, expected: bool) -> Self {
        let operator = |name: &str| value.get(name);
        let part = |of: &Value, key: &str, expected| {
            Self::of(of.get(key).unwrap_or(&Value::Null), expected)
        };
        if let Some(negated) = operator("!") {
            return part(negated, "arg", !expected);
        }
        for (name, is_all) in [("&&", expected), ("||", !expected)] {
            if let Some(of) = operator(name) {
                let parts = [part(of, "left", expected), part(of, "right", expected)];
                return if is_all {
                    Self::all(parts)
                } else {
                    Self::any(parts)
                };
            }
        }
        if let Some(of) = operator("if-then-else") {
            let branch = |key, wanted| Self::all([part(of, "if", wanted), part(of, key, expected)]);
            return Self::any([branch("then", true), branch("else", false)]);
        }
        match value.get("Value").and_then(Value::as_bool) {
            Some(constant) if constant == expected => Self::All(Vec::new()),
            Some(_) => Self::Any(Vec::new()),
            None => Self::test(value, expected),
        }
    }

    fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        Self::All(
            parts
                .into_iter()
                .flat_map(|part| match part {
                    Self::All(parts) => parts,
                    other => vec![other],
                })
                .collect(),
        )
    }

    fn any(parts: impl IntoIterator<Item = Self>) -> Self {
        Self::Any(
            parts
                .into_iter()
                .flat_map(|part| match part {
                    Self::Any(parts) => parts,
                    other => vec![other],
                })
                .collect(),
        )
    }

    fn test(value: &Value, expected: bool) -> Self {
        let (attribute, asks, is_positive) =
            question(value).unwrap_or_else(|| (value.to_string(), Asks::Anything, true));
        Self::Test(Test { attribute, asks }, expected == is_positive)
    }
}

/// Whether something is added, multiplied or negated that is not written as a number.
pub(in crate::domain::policy) fn calculates(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.iter().any(|(operator, operands)| {
            let is_calculated = match operator.as_str() {
                "+" | "-" | "*" | "offset" | "durationSince" | "toTime" | "toDate" => true,
                "neg" => number(value).is_none(),
                _ => false,
            };
            is_calculated || calculates(operands)
        }),
        Value::Array(items) => items.iter().any(calculates),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// The question that an expression asks, and whether it holds when the answer is yes.
fn question(value: &Value) -> Option<(String, Asks, bool)> {
    let (operator, operands) = value.as_object()?.iter().next()?;
    let (left, right) = (operands.get("left")?, operands.get("right"));
    if operator == "like" {
        let pieces = pieces(operands.get("pattern")?)?;
        return Some((attribute(left)?, Asks::IsLike(pieces), true));
    }
    let right = right?;
    if operator == "contains" {
        let items = left.get("Set")?.as_array()?;
        return Some((attribute(right)?, among(items.iter())?, true));
    }
    // Both `a < 1` and `1 > a`.
    let (attribute, other, is_turned) = match attribute(left) {
        Some(path) => (path, right, false),
        None => (attribute(right)?, left, true),
    };
    if matches!(&**operator, "==" | "!=") {
        return Some((attribute, among([other])?, operator == "=="));
    }
    let number = number(other)?;
    let below = || number.checked_sub(1);
    let (limit, is_positive) = match (&**operator, is_turned) {
        ("<=", false) | (">=", true) => (number, true),
        ("<", false) | (">", true) => (below()?, true),
        (">", false) | ("<", true) => (number, false),
        (">=", false) | ("<=", true) => (below()?, false),
        _ => return None,
    };
    Some((attribute, Asks::IsAtMost(limit), is_positive))
}

fn attribute(value: &Value) -> Option<String> {
    look::path(value).map(|path| path.join("."))
}

/// Literals, all of one kind.
fn among<'v>(items: impl IntoIterator<Item = &'v Value>) -> Option<Asks> {
    let items: Vec<&Value> = items.into_iter().collect();
    let texts: Option<BTreeSet<_>> = items.iter().map(|item| text(item)).collect();
    let numbers = || items.iter().map(|item| number(item)).collect::<Option<_>>();
    texts
        .map(Asks::IsText)
        .or_else(|| numbers().map(Asks::IsNumber))
}

/// A text, or an entity as Cedar writes it.
fn text(value: &Value) -> Option<String> {
    let value = value.get("Value")?;
    if let Some(named) = value.get("__entity") {
        let part = |key| named.get(key).and_then(Value::as_str);
        return Some(entity(part("type")?, part("id")?));
    }
    value.as_str().map(str::to_owned)
}

fn number(value: &Value) -> Option<i64> {
    if let Some(negated) = value.get("neg") {
        return number(negated.get("arg")?)?.checked_neg();
    }
    value.get("Value")?.as_i64()
}

/// The pieces of a `like` pattern between its wildcards, the first and the last perhaps empty.
fn pieces(pattern: &Value) -> Option<Vec<String>> {
    let mut pieces = vec![String::new()];
    for element in pattern.as_array()? {
        if element.as_str() == Some("Wildcard") {
            pieces.push(String::new());
        } else {
            pieces
                .last_mut()?
                .push_str(element.get("Literal")?.as_str()?);
        }
    }
    Some(pieces)
}

#[cfg(test)]
mod tests {
    use cedar_policy::Policy;

    use super::*;

    fn formula(condition: &str) -> Formula {
        let text = format!("permit(principal, action, resource) {condition};");
        Formula::of_policy(&Policy::parse(None, text).unwrap().to_json().unwrap()).unwrap()
    }

    fn shown(formula: &Formula) -> String {
        let joined = |parts: &[Formula], by: &str| {
            let parts: Vec<_> = parts.iter().map(shown).collect();
            format!("({})", parts.join(by))
        };
        match formula {
            Formula::All(parts) => joined(parts, " & "),
            Formula::Any(parts) => joined(parts, " | "),
            Formula::Test(test, expected) => {
                let not = if *expected { "" } else { "!" };
                match &test.asks {
                    Asks::Anything => format!("{not}?"),
                    asks => format!("{not}{} {asks:?}", test.attribute.replace("context.", "")),
                }
            }
        }
    }

    #[test]
    fn takes_conditions_apart() {
        let table = [
            ("when { true }", "()"),
            ("when { false }", "(())"),
            (
                "unless { context.time.hour < 8 }",
                "(!time.hour IsAtMost(7))",
            ),
            ("when { 8 > context.time.hour }", "(time.hour IsAtMost(7))"),
            (
                "when { context.time.hour >= 8 && 17 >= context.time.hour }",
                "(!time.hour IsAtMost(7) & time.hour IsAtMost(17))",
            ),
            (
                "when { context.params.n > -1 } unless { context.task != \"a\" }",
                "(!params.n IsAtMost(-1) & task IsText({\"a\"}))",
            ),
            (
                "when { !(context.task == \"a\" || context.task == \"b\") }",
                "(!task IsText({\"a\"}) & !task IsText({\"b\"}))",
            ),
            (
                "when { context.task == \"a\" || context.risk.exposed && context.task == \"b\" }",
                "((task IsText({\"a\"}) | (? & task IsText({\"b\"}))))",
            ),
            (
                "when { [1, 3].contains(context.time.weekday) }",
                "(time.weekday IsNumber({1, 3}))",
            ),
            (
                "when { context.path like \"/a/*/b\" }",
                "(path IsLike([\"/a/\", \"/b\"]))",
            ),
            (
                "when { if context.risk.exposed then false else context.task == \"a\" }",
                "(((? & ()) | (!? & task IsText({\"a\"}))))",
            ),
            ("when { context.time.hour < -9223372036854775808 }", "(?)"),
            ("when { context.task == context.path }", "(?)"),
            ("when { [context.task].contains(context.task) }", "(?)"),
            ("when { context.identity.tools.contains(\"a\") }", "(?)"),
        ];
        for (condition, expected) in table {
            assert_eq!(shown(&formula(condition)), expected, "{condition}");
        }
    }

    #[test]
    fn knows_what_is_the_same_everywhere() {
        let table = [
            (
                "when { context.time.hour > 5 || context.job.age < 3 }",
                true,
            ),
            (
                "when { context.time.hour > 5 && context.params.n == 3 }",
                false,
            ),
            ("when { context.environment == \"prod\" }", false),
            ("when { context.risk.exposed }", false),
        ];
        for (condition, expected) in table {
            assert_eq!(formula(condition).is_universal(), expected, "{condition}");
        }
    }
}
