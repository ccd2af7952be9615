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
    /// What is written of a workload pattern, where not everything could be looked at.
    Declared,
}

impl Kind {
    /// What changes of a credential, in a word.
    pub(super) fn property(self) -> &'static str {
        match self {
            Self::Scope => "scope",
            Self::Lifetime => "lifetime",
            Self::Condition => "condition",
            Self::Audience => "audience",
            Self::Issuer => "issuer",
            Self::CredentialEnvironment => "environment",
            Self::LiveJobs => "open jobs",
            Self::Task
            | Self::Credential
            | Self::Form
            | Self::JobDuration
            | Self::Parameter
            | Self::Audited
            | Self::Environment
            | Self::Identity
            | Self::Verifier
            | Self::Guardrail
            | Self::Ceiling
            | Self::Declared => "",
        }
    }

    /// Whether it comes from grants rather than from what they give.
    pub(super) fn is_of_grants(self) -> bool {
        matches!(self, Self::Lifetime | Self::Condition | Self::LiveJobs)
    }
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

    /// The words before its name, and those behind it.
    pub fn what(&self) -> (&'static str, &'static str) {
        match self.kind {
            Kind::Task => ("the task", ""),
            Kind::Credential => ("credential", ""),
            Kind::Scope => ("scope of credential", ""),
            Kind::Lifetime => ("lifetime of credential", ""),
            Kind::Condition => ("condition of credential", ""),
            Kind::Audience => ("audience of credential", ""),
            Kind::Issuer => ("issuer of credential", ""),
            Kind::Form => ("tokens of credential", ""),
            Kind::CredentialEnvironment => ("environment of credential", ""),
            Kind::JobDuration => ("life of a job", ""),
            Kind::LiveJobs if self.name.is_some() => {
                ("open jobs of one workload with credential", "")
            }
            Kind::LiveJobs => ("open jobs of one workload", ""),
            Kind::Parameter => ("parameter", ""),
            Kind::Audited => ("credential", " in audit mode (gives nothing)"),
            Kind::Environment => ("environment", ""),
            Kind::Identity => ("identity", ""),
            Kind::Verifier => ("who may ask about tokens for", ""),
            Kind::Guardrail => ("guardrail", ""),
            Kind::Ceiling => ("installation:", ""),
            Kind::Declared => ("what is written for", ""),
        }
    }

    /// The change in one line, without the task and the workloads.
    pub fn sentence(&self) -> String {
        let (before, after) = self.what();
        let what = match &self.name {
            Some(name) => format!("{before} `{name}`{after}"),
            None => format!("{before}{after}"),
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
