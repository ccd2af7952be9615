//! Arithmetic that could overflow: the one way in which a checked condition cannot be evaluated.

use serde_json::Value;

use super::known::Known;
use super::look;
use super::mistake::Mistake;
use super::possible::numbers_of;

/// The least and the greatest number that an expression can be. Wider than numbers are, so that it can be seen
/// where they are left.
type Range = (i128, i128);

const ALL: Range = (i64::MIN as i128, i64::MAX as i128);

/// Every sum, difference, product and negation in a rule that could be greater or less than numbers are.
///
/// What cannot be evaluated is denied, whoever else a grant would let in: nobody may find that out by a number
/// that is large enough.
pub(in crate::domain::policy) fn overflowing(
    rule: &Value,
    known: &Known<'_>,
    text: &str,
) -> Vec<Mistake> {
    let mut found = Found {
        known,
        text,
        mistakes: Vec::new(),
    };
    let conditions = rule.get("conditions").and_then(Value::as_array);
    for condition in conditions.into_iter().flatten() {
        if let Some(body) = condition.get("body") {
            found.range(body);
        }
    }
    found.mistakes
}

struct Found<'a> {
    known: &'a Known<'a>,
    text: &'a str,
    mistakes: Vec<Mistake>,
}

impl Found<'_> {
    /// Looks at an expression and at everything in it.
    // The depth of the value is bounded by what is parsed at all.
    fn range(&mut self, value: &Value) -> Range {
        if let Some(path) = look::path(value) {
            let (least, most) = numbers_of(&path.join("."), self.known);
            return (least.into(), most.into());
        }
        if let Some(number) = value.get("Value").and_then(Value::as_i64) {
            return (number.into(), number.into());
        }
        let Some((operator, operands)) = value.as_object().and_then(|fields| fields.iter().next())
        else {
            return ALL;
        };
        match operator.as_str() {
            "+" => self.calculated(operands, |a, b| (a.0 + b.0, a.1 + b.1)),
            "-" => self.calculated(operands, |a, b| (a.0 - b.1, a.1 - b.0)),
            "*" => self.calculated(operands, |a, b| {
                let products = [a.0 * b.0, a.0 * b.1, a.1 * b.0, a.1 * b.1];
                let least = products.into_iter().min().unwrap_or(ALL.0);
                (least, products.into_iter().max().unwrap_or(ALL.1))
            }),
            "neg" => {
                let arg = operands.get("arg").unwrap_or(&Value::Null);
                let (least, most) = self.range(arg);
                self.within((-most, -least), operands)
            }
            // Arithmetic of times, which overflows as well.
            "offset" | "durationSince" | "toTime" | "toDate" => {
                self.all(operands);
                self.within((ALL.0 - 1, ALL.1), operands)
            }
            "if-then-else" => {
                self.part(operands, "if");
                let (then, or) = (self.part(operands, "then"), self.part(operands, "else"));
                (then.0.min(or.0), then.1.max(or.1))
            }
            _ => {
                self.all(operands);
                ALL
            }
        }
    }

    fn part(&mut self, operands: &Value, key: &str) -> Range {
        self.range(operands.get(key).unwrap_or(&Value::Null))
    }

    fn calculated(&mut self, operands: &Value, range: impl Fn(Range, Range) -> Range) -> Range {
        let (left, right) = (self.part(operands, "left"), self.part(operands, "right"));
        self.within(range(left, right), operands)
    }

    fn all(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => fields.values().for_each(|part| {
                if part.is_object() {
                    self.range(part);
                } else {
                    self.all(part);
                }
            }),
            Value::Array(items) => items.iter().for_each(|item| {
                self.range(item);
            }),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// The range, or all numbers and a mistake.
    fn within(&mut self, range: Range, operands: &Value) -> Range {
        if range.0 >= ALL.0 && range.1 <= ALL.1 {
            return range;
        }
        let attribute = attribute(operands);
        let at = attribute
            .as_ref()
            .and_then(|name| Some((self.text.find(name)?, name.len())));
        let span = at.map_or(0..self.text.len(), |(at, len)| at..at + len);
        let help = match attribute
            .as_deref()
            .and_then(|name| name.strip_prefix("context.params."))
        {
            Some(name) => format!(
                "bound the parameter, as in `params.{name} = {{ type = \"integer\", min = 0, max = 1000 }}`"
            ),
            None => "calculate with smaller numbers".to_owned(),
        };
        let message =
            "the calculation can overflow, and what cannot be evaluated denies the whole request";
        self.mistakes.push(Mistake::error(span, message).help(help));
        ALL
    }
}

/// The first attribute that is calculated with: that of a parameter, if there is one.
fn attribute(value: &Value) -> Option<String> {
    let mut found = Vec::new();
    collect(value, &mut found);
    let of_params = found
        .iter()
        .position(|name| name.starts_with("context.params."));
    let at = of_params.unwrap_or(0);
    (at < found.len()).then(|| found.swap_remove(at))
}

fn collect(value: &Value, found: &mut Vec<String>) {
    if let Some(path) = look::path(value) {
        found.push(path.join("."));
        return;
    }
    match value {
        Value::Object(fields) => fields.values().for_each(|part| collect(part, found)),
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
