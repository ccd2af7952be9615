//! Whether a task takes more or fewer values than before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::change::{Change, Direction, Kind};
use crate::domain::policy::condition::cedar_type;
use crate::domain::policy::parameter::{Parameter, ParameterKind};

/// How two sets of values relate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Same,
    More,
    Fewer,
    Unknown,
}

pub(super) fn changes(
    old: &BTreeMap<Arc<str>, Parameter>,
    new: &BTreeMap<Arc<str>, Parameter>,
) -> Vec<Change> {
    let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let change = |name: &Arc<str>| {
        let (before, after) = (old.get(name), new.get(name));
        let direction = match (before, after) {
            (Some(before), Some(after)) => match compare(before, after) {
                Relation::Same => return None,
                Relation::More => Direction::Widened,
                Relation::Fewer => Direction::Narrowed,
                Relation::Unknown => Direction::Changed,
            },
            // Requests with it are taken from now on, and those without it still are.
            (None, Some(after)) if after.is_optional => Direction::Widened,
            (Some(before), None) if before.is_optional => Direction::Narrowed,
            // Other requests are taken than before.
            (None, _) | (_, None) => Direction::Changed,
        };
        let change = Change::new(direction, Kind::Parameter).named(name);
        Some(change.between(before.map(shown), after.map(shown)))
    };
    names.into_iter().filter_map(change).collect()
}

fn compare(old: &Parameter, new: &Parameter) -> Relation {
    // Conditions and guardrails then see something else, whichever values there are.
    if cedar_type(&old.kind) != cedar_type(&new.kind) {
        return Relation::Unknown;
    }
    let optional = match (old.is_optional, new.is_optional) {
        (false, true) => Relation::More,
        (true, false) => Relation::Fewer,
        (false, false) | (true, true) => Relation::Same,
    };
    let values = match (takes_all_of(new, old), takes_all_of(old, new)) {
        (true, true) => Relation::Same,
        (true, false) => Relation::More,
        (false, true) => Relation::Fewer,
        (false, false) => Relation::Unknown,
    };
    values.and(optional)
}

impl Relation {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Same, one) | (one, Self::Same) => one,
            (Self::More, Self::More) => Self::More,
            (Self::Fewer, Self::Fewer) => Self::Fewer,
            (_, _) => Self::Unknown,
        }
    }
}

/// Whether every value of `inner` is one of `outer`, as far as that can be told.
fn takes_all_of(outer: &Parameter, inner: &Parameter) -> bool {
    let listed: Vec<&str> = match &inner.kind {
        ParameterKind::OneOf(values) => values.iter().map(AsRef::as_ref).collect(),
        ParameterKind::Boolean => vec!["true", "false"],
        ParameterKind::Integer { .. }
        | ParameterKind::Token
        | ParameterKind::Path
        | ParameterKind::Text => {
            let text = |parameter: &Parameter| {
                let pattern = parameter.pattern.as_ref();
                pattern.map(|pattern| pattern.as_str().to_owned())
            };
            let is_narrowed = outer.pattern.is_some() && text(outer) != text(inner);
            return !is_narrowed && is_of_type(&outer.kind, &inner.kind);
        }
    };
    let mut taken = listed.into_iter().filter(|value| inner.accepts(value));
    taken.all(|value| outer.accepts(value))
}

/// Whether every value of a type that has too many to list is one of another.
fn is_of_type(outer: &ParameterKind, inner: &ParameterKind) -> bool {
    use ParameterKind::{Boolean, Integer, OneOf, Path, Text, Token};
    match (outer, inner) {
        (Integer { min, max }, Integer { min: from, max: to }) => min <= from && to <= max,
        (Token | Path | Text, Token) | (Path | Text, Path) | (Text, Text) => true,
        (_, OneOf(_) | Boolean | Integer { .. } | Token | Path | Text) => false,
    }
}

fn shown(parameter: &Parameter) -> String {
    let optional = if parameter.is_optional {
        ", optional"
    } else {
        ""
    };
    format!("{}{optional}", parameter.expected())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(text: &str) -> Parameter {
        let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
        let kind = match kind {
            "token" => ParameterKind::Token,
            "path" => ParameterKind::Path,
            "text" => ParameterKind::Text,
            "boolean" => ParameterKind::Boolean,
            "1-5" => ParameterKind::Integer { min: 1, max: 5 },
            "2-3" => ParameterKind::Integer { min: 2, max: 3 },
            "5-5" => ParameterKind::Integer { min: 5, max: 5 },
            "4-9" => ParameterKind::Integer { min: 4, max: 9 },
            values => ParameterKind::OneOf(values.split('|').map(Arc::from).collect()),
        };
        Parameter {
            kind,
            pattern: rest.strip_prefix('~').map(|p| p.parse().unwrap()),
            is_optional: rest == "optional",
        }
    }

    #[test]
    fn says_whether_more_or_fewer_values_are_taken() {
        use Relation::*;
        let table = [
            ("token", "token", Same),
            ("a|b", "b|a", Same),
            ("a", "a|b", More),
            ("a|b", "b|c", Unknown),
            ("token", "path", More),
            ("path", "text", More),
            // The same values, and something else to conditions.
            ("true|false", "boolean", Unknown),
            ("boolean", "token", Unknown),
            ("5", "5-5", Unknown),
            ("5-5", "1-5", More),
            ("1-5", "2-3", Fewer),
            ("1-5", "4-9", Unknown),
            ("1-5", "token", Unknown),
            ("a|b", "token", More),
            ("token ~[a-c]", "a|b", Fewer),
            ("token ~[a-c]", "a|d", Unknown),
            ("path ~[a-c]", "token ~[a-c]", Fewer),
            ("token", "token ~a.*", Fewer),
            ("token ~a", "token", More),
            ("token ~a", "token ~b", Unknown),
            ("token", "token optional", More),
            ("token optional", "path", Unknown),
        ];
        for (old, new, expected) in table {
            let (before, after) = (parameter(old), parameter(new));
            assert_eq!(compare(&before, &after), expected, "{old} → {new}");
            let turned = match expected {
                More => Fewer,
                Fewer => More,
                same => same,
            };
            assert_eq!(compare(&after, &before), turned, "{new} → {old}");
        }
    }

    #[test]
    fn a_parameter_that_comes_or_goes_changes_which_requests_are_taken() {
        let one = |text: &str| BTreeMap::from([(Arc::from("p"), parameter(text))]);
        let none = BTreeMap::new();
        let table = [
            (&none, &one("token"), Direction::Changed),
            (&none, &one("token optional"), Direction::Widened),
            (&one("token"), &none, Direction::Changed),
            (&one("token optional"), &none, Direction::Narrowed),
        ];
        for (old, new, expected) in table {
            assert_eq!(changes(old, new)[0].direction, expected);
        }
    }
}
