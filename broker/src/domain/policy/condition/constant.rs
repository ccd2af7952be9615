//! Which conditions may be the same for every request, so that it is worth asking Cedar.

use serde_json::Value;

/// Whether something in a policy in Cedar's JSON form can have one value for every request: whether an attribute
/// is there, of which type something is, `true`, an entity of the head, or what looks at no request at all.
pub(super) fn may_be_constant(policy: &Value) -> bool {
    let conditions = policy.get("conditions").and_then(Value::as_array);
    let mut bodies = conditions
        .into_iter()
        .flatten()
        .filter_map(|condition| condition.get("body"));
    bodies.any(is_constant_in_part)
}

// The depth of the value is bounded by what is parsed at all.
fn is_constant_in_part(value: &Value) -> bool {
    let Some((operator, operands)) = value.as_object().and_then(|fields| fields.iter().next())
    else {
        return false;
    };
    match operator.as_str() {
        "Value" => operands.is_boolean(),
        "Var" => operands != "context",
        "Set" | "Record" => false,
        "has" | "is" => true,
        "." => operands.get("left").is_some_and(is_constant_in_part),
        _ => {
            let mut parts = parts(operands).peekable();
            parts.peek().is_none()
                || parts.clone().all(looks_at_nothing)
                || parts.any(is_constant_in_part)
        }
    }
}

fn parts(operands: &Value) -> impl Iterator<Item = &Value> + Clone {
    let (fields, items) = (operands.as_object(), operands.as_array());
    let fields = fields.into_iter().flat_map(serde_json::Map::values);
    fields
        .chain(items.into_iter().flatten())
        .filter(|part| part.is_object())
}

fn looks_at_nothing(value: &Value) -> bool {
    match value {
        Value::Object(fields) => {
            !fields.contains_key("Var") && fields.values().all(looks_at_nothing)
        }
        Value::Array(items) => items.iter().all(looks_at_nothing),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use cedar_policy::Policy;

    use super::*;

    #[test]
    fn asks_where_something_is_the_same_for_every_request() {
        let table = [
            ("true", true),
            ("1 == 1", true),
            ("context.time.hour > 5 || true", true),
            ("context.time.hour > 5 || 1 < 2", true),
            ("context.time.hour > 5 || [1, 2].contains(1)", true),
            ("context has time || context.time.hour > 5", true),
            ("context.params has count && context.params.count > 4", true),
            ("principal is Workload || context.time.hour > 5", true),
            ("resource == resource || context.time.hour > 5", true),
            ("!(1 == 2) || context.time.hour > 5", true),
            ("if 1 == 1 then context.risk.exposed else false", true),
            ("context.time.hour > 5", false),
            (
                "context.params.ref == \"a\" || context.params.ref like \"b/*\"",
                false,
            ),
            ("!context.risk.exposed || context.time.hour + 1 > 5", false),
            ("[1, 2].contains(context.time.hour)", false),
        ];
        for (condition, expected) in table {
            let text = format!("permit(principal, action, resource) when {{ {condition} }};");
            let policy = Policy::parse(None, text).unwrap().to_json().unwrap();
            assert_eq!(may_be_constant(&policy), expected, "{condition}: {policy}");
        }
    }
}
