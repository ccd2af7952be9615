//! What conditions may look at, as a Cedar schema.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::policy::parameter::{Parameter, ParameterKind};

/// The type of workloads in Cedar.
pub(in crate::domain::policy) const WORKLOAD: &str = "Workload";
/// The type of tasks in Cedar.
pub(in crate::domain::policy) const TASK: &str = "Task";
/// The one action.
pub(in crate::domain::policy) const ACTION: &str = "do";

/// The parameters that a schema knows: name → (Cedar type, whether it may be missing). Tasks of one shape share
/// a schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(in crate::domain::policy) struct Shape {
    parameters: BTreeMap<Arc<str>, (&'static str, bool)>,
    /// Those that have different types in different tasks.
    ambiguous: BTreeSet<Arc<str>>,
}

impl Shape {
    /// The shape of one task's parameters.
    pub(in crate::domain::policy) fn of_task<'a>(
        parameters: impl Iterator<Item = (&'a Arc<str>, &'a Parameter)>,
    ) -> Self {
        let shape = |(name, parameter): (&Arc<str>, &Parameter)| {
            (
                name.clone(),
                (cedar_type(&parameter.kind), parameter.is_optional),
            )
        };
        Self {
            parameters: parameters.map(shape).collect(),
            ambiguous: BTreeSet::new(),
        }
    }

    /// The shape of all tasks at once: every parameter may be missing, and those that have different types in
    /// different tasks are left out.
    pub(in crate::domain::policy) fn of_all<'a>(
        parameters: impl Iterator<Item = (&'a Arc<str>, &'a Parameter)>,
    ) -> Self {
        let mut types: BTreeMap<Arc<str>, Option<&'static str>> = BTreeMap::new();
        for (name, parameter) in parameters {
            let given = cedar_type(&parameter.kind);
            match types.get_mut(name) {
                None => drop(types.insert(name.clone(), Some(given))),
                Some(first) => *first = first.filter(|first| *first == given),
            }
        }
        let mut shape = Self::default();
        for (name, given) in types {
            match given {
                Some(given) => drop(shape.parameters.insert(name, (given, true))),
                None => drop(shape.ambiguous.insert(name)),
            }
        }
        shape
    }

    /// Whether tasks disagree about the type of a parameter.
    pub(super) fn is_ambiguous(&self, parameter: &str) -> bool {
        self.ambiguous.contains(parameter)
    }

    pub(super) fn parameters(&self) -> impl Iterator<Item = &str> {
        self.parameters.keys().map(|name| &**name)
    }
}

/// The attributes of the context beside `params`, as they stand in a Cedar schema.
pub(super) const CONTEXT: &[(&str, &[(&str, &str)])] = &[
    (
        "time",
        &[
            ("unix", "Long"),
            ("date", "String"),
            ("hour", "Long"),
            ("minute", "Long"),
            ("weekday", "Long"),
        ],
    ),
    (
        "job",
        &[
            ("is_renewal", "Bool"),
            ("opened_at", "Long"),
            ("age", "Long"),
            ("generation", "Long"),
        ],
    ),
    (
        "identity",
        &[
            ("kind", "String"),
            ("name", "String"),
            ("owner", "String"),
            ("tools", "Set<String>"),
        ],
    ),
    ("risk", &[("exposed", "Bool"), ("elevated", "Bool")]),
    (
        "reported",
        &[
            ("host?", "String"),
            ("uid?", "Long"),
            ("gid?", "Long"),
            ("pid?", "Long"),
            ("executable?", "String"),
        ],
    ),
];

/// The attributes of the context that are no records.
pub(super) const PLAIN: &[(&str, &str)] = &[
    ("subject", "String"),
    ("trust_domain", "String"),
    ("path", "String"),
    ("name", "String"),
    ("segments", "Set<String>"),
    ("environment", "String"),
    ("environments", "Set<String>"),
    ("task", "String"),
];

/// The Cedar schema for parameters of this shape.
pub(in crate::domain::policy) fn schema(shape: &Shape) -> String {
    let mut fields: Vec<String> = PLAIN
        .iter()
        .map(|(name, kind)| format!("{name}: {kind}"))
        .collect();
    let params = shape.parameters.iter().map(|(name, (kind, is_optional))| {
        let mark = if *is_optional { "?" } else { "" };
        format!("\"{name}\"{mark}: {kind}")
    });
    fields.push(format!(
        "params: {{ {} }}",
        params.collect::<Vec<_>>().join(", ")
    ));
    for (name, inner) in CONTEXT {
        let inner: Vec<_> = inner
            .iter()
            .map(|(name, kind)| format!("{name}: {kind}"))
            .collect();
        fields.push(format!("{name}: {{ {} }}", inner.join(", ")));
    }
    format!(
        "entity {WORKLOAD};\nentity {TASK};\naction \"{ACTION}\" appliesTo {{\n  principal: [{WORKLOAD}],\n  \
         resource: [{TASK}],\n  context: {{\n    {}\n  }}\n}};\n",
        fields.join(",\n    ")
    )
}

/// The type that conditions and guardrails know a parameter by.
pub(in crate::domain::policy) fn cedar_type(kind: &ParameterKind) -> &'static str {
    match kind {
        ParameterKind::Integer { .. } => "Long",
        ParameterKind::Boolean => "Bool",
        ParameterKind::OneOf(_)
        | ParameterKind::Token
        | ParameterKind::Path
        | ParameterKind::Text => "String",
    }
}
