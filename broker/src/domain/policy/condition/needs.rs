//! Which attributes of the context a rule needs, so that a decision gathers no others.

use serde_json::Value;

/// An attribute of the context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attribute {
    Subject,
    TrustDomain,
    Path,
    Name,
    Segments,
    Environment,
    Environments,
    Task,
    Params,
    Time,
    Job,
    Identity,
    Risk,
    Reported,
}

impl Attribute {
    const ALL: [Self; 14] = [
        Self::Subject,
        Self::TrustDomain,
        Self::Path,
        Self::Name,
        Self::Segments,
        Self::Environment,
        Self::Environments,
        Self::Task,
        Self::Params,
        Self::Time,
        Self::Job,
        Self::Identity,
        Self::Risk,
        Self::Reported,
    ];

    /// As it is written behind `context.`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::TrustDomain => "trust_domain",
            Self::Path => "path",
            Self::Name => "name",
            Self::Segments => "segments",
            Self::Environment => "environment",
            Self::Environments => "environments",
            Self::Task => "task",
            Self::Params => "params",
            Self::Time => "time",
            Self::Job => "job",
            Self::Identity => "identity",
            Self::Risk => "risk",
            Self::Reported => "reported",
        }
    }

    fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// Attributes of the context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::domain::policy) struct Needs(u16);

impl Needs {
    /// None of them.
    pub(in crate::domain::policy) const NONE: Self = Self(0);

    const ALL: Self = Self(u16::MAX);

    /// What a policy in Cedar's JSON form looks at.
    ///
    /// INVARIANT: `context.x` and `context has x` need `x`, and any other use of the context needs everything. What
    /// were missed all the same would be an error of evaluation, which denies.
    pub(super) fn of_policy(policy: &Value) -> Self {
        let mut needs = Self::NONE;
        needs.walk(policy);
        needs
    }

    /// These and those.
    pub(in crate::domain::policy) fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    pub(super) fn attributes(self) -> impl Iterator<Item = Attribute> {
        Attribute::ALL
            .into_iter()
            .filter(move |attribute| self.0 & attribute.bit() != 0)
    }

    fn of_name(name: Option<&str>) -> Self {
        let known = |name| {
            Attribute::ALL
                .into_iter()
                .find(|known| known.name() == name)
        };
        name.and_then(known)
            .map_or(Self::ALL, |attribute| Self(attribute.bit()))
    }

    // The depth of the value is bounded by what is parsed at all.
    fn walk(&mut self, value: &Value) {
        for operator in [".", "has"] {
            if let Some(access) = value.get(operator)
                && access.get("left").is_some_and(is_context)
            {
                let name = access.get("attr").and_then(Value::as_str);
                *self = self.and(Self::of_name(name));
                return;
            }
        }
        if is_context(value) {
            *self = Self::ALL;
            return;
        }
        match value {
            Value::Object(fields) => fields.values().for_each(|field| self.walk(field)),
            Value::Array(items) => items.iter().for_each(|item| self.walk(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

impl Default for Needs {
    fn default() -> Self {
        Self::ALL
    }
}

fn is_context(value: &Value) -> bool {
    value.get("Var").and_then(Value::as_str) == Some("context")
}

#[cfg(test)]
mod tests {
    use cedar_policy::Policy;

    use super::super::schema::{CONTEXT, PLAIN};
    use super::*;

    fn needs(condition: &str) -> Needs {
        let text = format!("forbid(principal, action, resource) when {{ {condition} }};");
        Needs::of_policy(&Policy::parse(None, text).unwrap().to_json().unwrap())
    }

    #[test]
    fn names_every_attribute_of_the_schema() {
        let schema = PLAIN.iter().map(|(name, _)| *name);
        let mut schema: Vec<_> = schema
            .chain(CONTEXT.iter().map(|(name, _)| *name))
            .chain(["params"])
            .collect();
        let mut ours = Attribute::ALL.map(Attribute::name);
        schema.sort_unstable();
        ours.sort_unstable();
        assert_eq!(schema, ours);
    }

    #[test]
    fn finds_what_a_rule_looks_at_wherever_it_stands() {
        let table: [(&str, &[&str]); 10] = [
            ("true", &[]),
            ("principal == Workload::\"context\"", &[]),
            ("context.task == \"a\"", &["task"]),
            ("context.params.ref like \"a*\"", &["params"]),
            ("context has risk && context.risk.exposed", &["risk"]),
            ("context.reported has uid", &["reported"]),
            ("[1, context.time.hour].contains(2)", &["time"]),
            (
                "if context.job.is_renewal then context.path == \"/a\" else false",
                &["path", "job"],
            ),
            (
                "{ \"has\": context.subject, \".\": 1 }[\"has\"] == \"b\"",
                &["subject"],
            ),
            (
                "context.identity.tools.containsAny(context.segments)",
                &["segments", "identity"],
            ),
        ];
        for (condition, expected) in table {
            let found: Vec<_> = needs(condition).attributes().map(Attribute::name).collect();
            assert_eq!(found, expected, "{condition}");
        }
    }

    #[test]
    fn needs_everything_where_the_context_is_taken_whole_or_something_is_unknown() {
        for condition in [
            "context == context",
            "[context].contains({})",
            "context.nobody_knows == 1",
            "context has nobody_knows",
            "context[\"time\"] == (if true then context else context)[\"time\"]",
        ] {
            assert_eq!(needs(condition), Needs::ALL, "{condition}");
        }
        assert_eq!(Needs::default(), Needs::ALL);
    }
}
