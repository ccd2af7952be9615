//! Which attributes an expression looks at, and what it compares them with.

use serde_json::Value;

use super::facts::Facts;
use super::needs::Needs;

/// Attributes that are shown of one condition.
const MAX_SHOWN: usize = 16;
/// Bytes of one value that are shown.
const MAX_VALUE_BYTES: usize = 256;

/// The attributes that an expression looks at: paths such as `context`, `params`, `ref`.
#[derive(Debug, Clone, Default)]
pub(in crate::domain::policy) struct Looks {
    paths: Vec<Vec<String>>,
    asked: Vec<Vec<String>>,
    compared: Vec<(Vec<String>, String)>,
    likened: Vec<(Vec<String>, String)>,
    entities: Vec<(String, String)>,
    needs: Needs,
    /// Whether it asks whether something is there that is not written as a part of the context.
    asks_oddly: bool,
}

impl Looks {
    /// Reads a policy in Cedar's JSON form.
    pub(in crate::domain::policy) fn of_policy(policy: &Value) -> Self {
        let mut looks = Self {
            // What cannot be read may need anything.
            needs: match policy {
                Value::Null => Needs::default(),
                policy => Needs::of_policy(policy),
            },
            ..Self::default()
        };
        let conditions = policy.get("conditions").and_then(Value::as_array);
        for condition in conditions.into_iter().flatten() {
            if let Some(body) = condition.get("body") {
                looks.walk(body);
            }
        }
        for scope in ["principal", "resource", "action"] {
            looks.scope(policy.get(scope));
        }
        looks.paths.sort();
        looks.paths.dedup();
        looks
    }

    /// Each attribute with its value in a request.
    pub(in crate::domain::policy) fn values(&self, facts: &Facts) -> String {
        let shown = self.paths.iter().take(MAX_SHOWN).map(|path| {
            let value = facts.value(path).unwrap_or_else(|| "missing".to_owned());
            format!("{} = {}", path.join("."), cut(value))
        });
        shown.collect::<Vec<_>>().join(", ")
    }

    /// The attributes of the context that it needs.
    pub(in crate::domain::policy) fn needs(&self) -> Needs {
        self.needs
    }

    /// Attributes that are compared with a text or a number: the path and the literal as Cedar writes it.
    pub(in crate::domain::policy) fn compared(&self) -> impl Iterator<Item = (&[String], &str)> {
        self.compared
            .iter()
            .map(|(path, literal)| (path.as_slice(), literal.as_str()))
    }

    /// Attributes of which is asked what they are like: the path and what the text has to begin with.
    pub(in crate::domain::policy) fn likened(&self) -> impl Iterator<Item = (&[String], &str)> {
        self.likened
            .iter()
            .map(|(path, beginning)| (path.as_slice(), beginning.as_str()))
    }

    /// Entities that are named: type and id.
    pub(in crate::domain::policy) fn entities(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entities
            .iter()
            .map(|(kind, id)| (kind.as_str(), id.as_str()))
    }

    /// Whether it asks whether something is there that is not written as a part of the context: nobody sees what.
    pub(super) fn asks_oddly(&self) -> bool {
        self.asks_oddly
    }

    /// Whether it looks at an attribute of the context, or at a part of it.
    pub(in crate::domain::policy) fn looks_at(&self, attribute: &str) -> bool {
        self.paths
            .iter()
            .any(|path| path.get(1).is_some_and(|first| first == attribute))
    }

    /// Attributes that are asked for with `has`.
    pub(super) fn asked(&self) -> impl Iterator<Item = &[String]> {
        self.asked.iter().map(Vec::as_slice)
    }

    fn scope(&mut self, scope: Option<&Value>) {
        let Some(scope) = scope else { return };
        let listed = scope.get("entities").and_then(Value::as_array);
        let one = scope.get("entity").into_iter();
        for entity in one.chain(listed.into_iter().flatten()) {
            self.entity(entity);
        }
    }

    fn entity(&mut self, entity: &Value) {
        let text = |key| {
            entity
                .get(key)
                .and_then(Value::as_str)
                .map(ToOwned::to_owned)
        };
        if let (Some(kind), Some(id)) = (text("type"), text("id")) {
            self.entities.push((kind, id));
        }
    }

    // The depth of the value is bounded by what is parsed at all.
    fn walk(&mut self, value: &Value) {
        if let Some(path) = path(value) {
            self.paths.push(path);
            return;
        }
        match value {
            Value::Object(fields) => {
                for (operator, operands) in fields {
                    match operator.as_str() {
                        "has" => {
                            self.has(operands);
                            // What it asks of is looked at for that alone.
                            if operands.get("left").and_then(path).is_some() {
                                continue;
                            }
                        }
                        "Value" => {
                            if let Some(entity) = operands.get("__entity") {
                                self.entity(entity);
                            }
                            continue;
                        }
                        "==" | "!=" | "contains" | "containsAny" | "containsAll" => {
                            self.compare(operands);
                        }
                        "like" => self.liken(operands),
                        "hasTag" | "getTag" => self.asks_oddly = true,
                        _ => {}
                    }
                    self.walk(operands);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.walk(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn has(&mut self, operands: &Value) {
        // `context has params.ref` asks for `params`, and for `ref` of it.
        let attributes: Vec<&str> = match operands.get("attr") {
            Some(Value::Array(parts)) => parts.iter().filter_map(Value::as_str).collect(),
            Some(attribute) => attribute.as_str().into_iter().collect(),
            None => Vec::new(),
        };
        let left = operands.get("left");
        let is_context = left
            .and_then(|left| left.get("Var"))
            .and_then(Value::as_str)
            == Some("context");
        let of = if is_context {
            Some(vec!["context".to_owned()])
        } else {
            left.and_then(path)
        };
        let Some(mut path) = of.filter(|path| path.first().is_some_and(|root| root == "context"))
        else {
            self.asks_oddly = true;
            return;
        };
        for attribute in attributes {
            path.push(attribute.to_owned());
            self.asked.push(path.clone());
        }
        self.paths.push(path);
    }

    fn liken(&mut self, operands: &Value) {
        let beginning = |pattern: &Value| {
            let literal = |element: &Value| Some(element.get("Literal")?.as_str()?.to_owned());
            pattern
                .as_array()?
                .iter()
                .map_while(literal)
                .reduce(|a, b| a + &b)
        };
        let path = operands.get("left").and_then(path);
        let beginning = operands.get("pattern").and_then(beginning);
        self.likened.extend(path.zip(beginning));
    }

    fn compare(&mut self, operands: &Value) {
        let (Some(left), Some(right)) = (operands.get("left"), operands.get("right")) else {
            return;
        };
        for (one, other) in [(left, right), (right, left)] {
            if let (Some(path), Some(literals)) = (path(one), literals(other)) {
                self.compared
                    .extend(literals.into_iter().map(|literal| (path.clone(), literal)));
            }
        }
    }
}

/// `context.params.ref` as its parts.
pub(super) fn path(value: &Value) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut value = value;
    while let Some(access) = value.get(".") {
        parts.push(access.get("attr")?.as_str()?.to_owned());
        value = access.get("left")?;
    }
    let root = value.get("Var")?.as_str()?;
    if root == "context" && parts.is_empty() {
        return None;
    }
    parts.push(root.to_owned());
    parts.reverse();
    Some(parts)
}

/// One literal, or a set of them.
fn literals(value: &Value) -> Option<Vec<String>> {
    if let Some(items) = value.get("Set").and_then(Value::as_array) {
        return Some(items.iter().filter_map(literals).flatten().collect());
    }
    match value.get("Value")? {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Number(number) => Some(vec![number.to_string()]),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn cut(mut value: String) -> String {
    if value.len() > MAX_VALUE_BYTES {
        let end = (0..=MAX_VALUE_BYTES)
            .rev()
            .find(|end| value.is_char_boundary(*end));
        value.truncate(end.unwrap_or_default());
        value.push('…');
    }
    value
}

#[cfg(test)]
mod tests {
    use cedar_policy::Policy;

    use super::*;

    fn looks(rule: &str) -> Looks {
        Looks::of_policy(&Policy::parse(None, rule).unwrap().to_json().unwrap())
    }

    fn shown<'a>(paths: impl Iterator<Item = (&'a [String], &'a str)>) -> Vec<String> {
        paths
            .map(|(path, value)| format!("{} {value}", path.join(".")))
            .collect()
    }

    #[test]
    fn finds_attributes_once_each_and_in_order() {
        let looks = looks(
            "forbid(principal, action, resource) when { context.time.hour > 3 && context.path == \"/a\" && context.time.hour < 5 \
             && context.params has ref && context has reported.uid };",
        );
        let paths: Vec<_> = looks.paths.iter().map(|path| path.join(".")).collect();
        assert_eq!(
            paths,
            [
                "context.params.ref",
                "context.path",
                "context.reported.uid",
                "context.time.hour"
            ]
        );
        let asked: Vec<_> = looks.asked().map(|path| path.join(".")).collect();
        assert_eq!(
            asked,
            [
                "context.params.ref",
                "context.reported",
                "context.reported.uid"
            ]
        );
        assert!(looks.looks_at("reported") && !looks.looks_at("job"));
    }

    #[test]
    fn finds_what_attributes_are_compared_with_on_either_side() {
        let looks = looks(
            "forbid(principal, action, resource) when { context.task == \"a\" || \"b\" != context.task || [\"c\", \"d\"].contains(context.path) \
             || context.segments.containsAny([\"e\"]) || context.time.hour == 7 || context.path like \"/f/*/g\" || context.risk.exposed == true };",
        );
        assert_eq!(
            shown(looks.compared()),
            [
                "context.task a",
                "context.task b",
                "context.path c",
                "context.path d",
                "context.segments e",
                "context.time.hour 7"
            ]
        );
        assert_eq!(shown(looks.likened()), ["context.path /f/"]);
    }

    #[test]
    fn finds_entities_in_the_head_and_in_conditions() {
        let looks = looks(
            "forbid(principal == Workload::\"spiffe://d/a\", action in [Action::\"x\", Action::\"y\"], resource) when { resource == Task::\"t\" };",
        );
        let found: Vec<_> = looks.entities().collect();
        assert_eq!(
            found,
            [
                ("Task", "t"),
                ("Workload", "spiffe://d/a"),
                ("Action", "x"),
                ("Action", "y")
            ]
        );
    }

    #[test]
    fn a_long_value_is_cut_between_characters() {
        assert_eq!(cut("a".repeat(256)), "a".repeat(256));
        assert_eq!(cut("ä".repeat(200)), format!("{}…", "ä".repeat(128)));
        assert_eq!(
            cut(format!("x{}", "ä".repeat(200))),
            format!("x{}…", "ä".repeat(127))
        );
    }
}
