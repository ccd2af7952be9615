//! A decision as the audit log keeps it: what it was made on, and what came out.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::input::Input;
use crate::domain::policy::{Circumstances, Decision, Wanted};

/// A decision of the past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// What it was made on.
    pub input: Input,
    /// What came out.
    pub result: Given,
}

/// What came out of a decision, without the words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// These credentials.
    Allowed(BTreeMap<String, GivenCredential>),
    /// Nothing, for this reason.
    Denied(String),
}

/// A credential that came out.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct GivenCredential {
    /// Its scopes.
    pub scopes: BTreeSet<String>,
    /// Its lifetime.
    pub ttl_seconds: u64,
    /// Whom it is for.
    pub audience: String,
    /// Who makes it.
    pub issuer: String,
}

/// Why a record cannot be decided again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum NotDecidable {
    /// Its details were erased.
    #[error("the details were erased")]
    Erased,
    /// It does not say what it was decided on: an older version wrote it, or nothing was decided.
    #[error("the record does not say what it was decided on")]
    NoInput,
}

/// The details of a record, as far as they matter here.
#[derive(Deserialize)]
struct Details {
    decision: Option<DecisionDetails>,
    parameters: Option<BTreeMap<String, String>>,
    /// Absent in what older versions wrote; then it is not known what was asked for.
    wanted: Option<Vec<Wanted>>,
}

#[derive(Deserialize)]
struct DecisionDetails {
    /// Absent in what older versions wrote.
    #[serde(default)]
    circumstances: Circumstances,
    outcome: OutcomeDetails,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum OutcomeDetails {
    Allowed { credentials: Vec<NamedCredential> },
    Denied { reason: String },
}

#[derive(Deserialize)]
struct NamedCredential {
    name: String,
    #[serde(flatten)]
    credential: GivenCredential,
}

impl Recorded {
    /// Reads a record from its workload, its task, and its details as JSON; no text where they were erased.
    pub fn read(workload: &str, task: &str, details: &str) -> Result<Self, NotDecidable> {
        if details.is_empty() {
            return Err(NotDecidable::Erased);
        }
        let Ok(Details {
            decision: Some(decision),
            parameters: Some(parameters),
            wanted: Some(wanted),
        }) = serde_json::from_str(details)
        else {
            return Err(NotDecidable::NoInput);
        };
        let result = match decision.outcome {
            OutcomeDetails::Allowed { credentials } => Given::Allowed(
                credentials
                    .into_iter()
                    .map(|one| (one.name, one.credential))
                    .collect(),
            ),
            OutcomeDetails::Denied { reason } => Given::Denied(reason),
        };
        Ok(Self {
            input: Input {
                workload: workload.parse().map_err(|_| NotDecidable::NoInput)?,
                task: task.to_owned(),
                parameters,
                wanted,
                circumstances: decision.circumstances,
            },
            result,
        })
    }
}

impl Given {
    /// What came out of a decision.
    pub fn of(decision: &Decision) -> Self {
        let allowed = match decision.allowed() {
            Ok(allowed) => allowed,
            Err(denied) => return Self::Denied(denied.reason.code().to_owned()),
        };
        let credentials = allowed.credentials.iter().map(|permitted| {
            let credential = GivenCredential {
                scopes: permitted.scopes.iter().cloned().collect(),
                ttl_seconds: permitted.ttl.as_secs(),
                audience: permitted.audience.to_string(),
                issuer: permitted.issuer.to_string(),
            };
            (permitted.name.to_string(), credential)
        });
        Self::Allowed(credentials.collect())
    }
}
