//! One effect that differs.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

/// An effect that one policy has and another has not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Change {
    /// Whether it lets more through.
    pub direction: Direction,
    /// The task concerned; none where it is no matter of one task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<Arc<str>>,
    /// What changes.
    pub kind: Kind,
    /// Its name: of a credential, a parameter, an environment, an audience, a guardrail …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    /// How it will be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
    /// The workloads concerned, as patterns, some with exceptions; empty where all are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub workloads: Vec<String>,
}

/// Whether a change lets more through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// It lets more through.
    Widened,
    /// It cannot be told, or both: look at it as if it widened.
    Changed,
    /// It lets less through.
    Narrowed,
}

/// What changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Who may do a task.
    Task,
    /// Who gets a credential.
    Credential,
    /// What a credential is good for.
    Scope,
    /// How long a credential lives.
    Lifetime,
    /// Under which condition it is given.
    Condition,
    /// Whom a credential is for.
    Audience,
    /// Who makes a credential.
    Issuer,
    /// What the tokens of a credential look like.
    Form,
    /// Which environment a credential belongs to.
    CredentialEnvironment,
    /// How long a job may live.
    JobDuration,
    /// How many jobs may be open.
    LiveJobs,
    /// What a parameter may be.
    Parameter,
    /// What is tried out without letting anything through.
    Audited,
    /// Where workloads belong.
    Environment,
    /// What is said of workloads.
    Identity,
    /// Who may ask about tokens.
    Verifier,
    /// What is forbidden to everybody.
    Guardrail,
    /// What no policy may exceed.
    Ceiling,
}

impl Change {
    /// A change that is no matter of one task.
    pub(super) fn new(direction: Direction, kind: Kind) -> Self {
        Self {
            direction,
            task: None,
            kind,
            name: None,
            old: None,
            new: None,
            workloads: Vec::new(),
        }
    }

    pub(super) fn named(self, name: impl fmt::Display) -> Self {
        Self {
            name: Some(name.to_string()),
            ..self
        }
    }

    pub(super) fn between(self, old: Option<String>, new: Option<String>) -> Self {
        Self { old, new, ..self }
    }

    /// The change in one line, without the task and the workloads.
    pub fn sentence(&self) -> String {
        let name = self.name.as_deref().unwrap_or_default();
        let what = match self.kind {
            Kind::Task => "the task".to_owned(),
            Kind::Credential => format!("credential `{name}`"),
            Kind::Scope => format!("scope of credential `{name}`"),
            Kind::Lifetime => format!("lifetime of credential `{name}`"),
            Kind::Condition => format!("condition of credential `{name}`"),
            Kind::Audience => format!("audience of credential `{name}`"),
            Kind::Issuer => format!("issuer of credential `{name}`"),
            Kind::Form => format!("tokens of credential `{name}`"),
            Kind::CredentialEnvironment => format!("environment of credential `{name}`"),
            Kind::JobDuration => "life of a job".to_owned(),
            Kind::LiveJobs => "open jobs of one workload".to_owned(),
            Kind::Parameter => format!("parameter `{name}`"),
            Kind::Audited => format!("credential `{name}` in audit mode (gives nothing)"),
            Kind::Environment => "environment".to_owned(),
            Kind::Identity => "identity".to_owned(),
            Kind::Verifier => format!("who may ask about tokens for {name}"),
            Kind::Guardrail => format!("guardrail `{name}`"),
            Kind::Ceiling => format!("installation: {name}"),
        };
        match (&self.old, &self.new) {
            (None, None) => what,
            (None, Some(new)) => format!("{what}: gains {new}"),
            (Some(old), None) => format!("{what}: loses {old}"),
            (Some(old), Some(new)) => format!("{what}: {old} → {new}"),
        }
    }
}

/// One line: `widened: task deploy-docs: lifetime of credential `docs`: 5m → 10m [spiffe://…]`.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.direction)?;
        if let Some(task) = &self.task {
            write!(f, "task {task}: ")?;
        }
        f.write_str(&self.sentence())?;
        if !self.workloads.is_empty() {
            write!(f, " [{}]", self.workloads.join("; "))?;
        }
        Ok(())
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Widened => "widened",
            Self::Changed => "changed",
            Self::Narrowed => "narrowed",
        })
    }
}
