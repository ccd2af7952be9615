//! The JSON of the agent's local interface.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::revocability::Revocability;

/// A job to open.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct OpenJob {
    /// The task's name.
    pub(crate) task: String,
    /// The task's parameters.
    pub(crate) params: BTreeMap<String, String>,
    /// The credentials asked for; none means all that are granted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) credentials: Vec<Wanted>,
    /// What the job is tied to.
    pub(crate) anchor: Anchor,
    /// The job's end, when it should be earlier than the task's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_duration_seconds: Option<f64>,
}

/// A credential asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Wanted {
    /// Its name in policy.
    pub(crate) name: String,
    /// Narrower scopes; none means all that are granted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) scopes: Vec<String>,
}

/// What a job is tied to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Anchor {
    /// The process that asks.
    Caller,
    /// Another process.
    Process {
        /// Its id.
        pid: u32,
    },
    /// Time alone.
    Ttl,
}

/// A job that was opened.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct OpenedJob {
    /// Its id.
    pub(crate) job: String,
    /// Its credentials.
    pub(crate) credentials: Vec<Credential>,
}

/// Credentials of a job.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Credentials {
    /// Those that were issued or renewed.
    pub(crate) credentials: Vec<Credential>,
}

/// A credential that was handed out.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(crate) struct Credential {
    /// Its name in policy.
    pub(crate) name: String,
    /// What it is: `jwt`.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// The secret itself.
    pub(crate) token: Secret,
    /// The id of its lease.
    pub(crate) lease: String,
    /// The n-th token of the lease.
    #[serde(default)]
    pub(crate) generation: u32,
    /// Seconds until it expires.
    pub(crate) expires_in: f64,
    /// When it expires, for people.
    #[serde(default)]
    pub(crate) expires_at: Option<Timestamp>,
    /// What it allows.
    #[serde(default)]
    pub(crate) scopes: Vec<String>,
    /// Whom it is for.
    #[serde(default)]
    pub(crate) audience: Option<String>,
    /// What can be said of taking it back early.
    pub(crate) revocability: Revocability,
}

/// A text that is never printed by accident.
#[derive(Clone)]
pub(crate) struct Secret(Zeroizing<String>);

impl Secret {
    /// The text itself.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The caller's jobs.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Jobs {
    /// Jobs of the caller's user.
    pub(crate) jobs: Vec<Job>,
}

/// One of the caller's jobs, without its tokens.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(crate) struct Job {
    /// Its id.
    #[serde(rename = "job")]
    pub(crate) id: String,
    /// Its task.
    pub(crate) task: String,
    /// `opening`, `open` or `closing`.
    pub(crate) state: String,
    /// What it is tied to.
    #[serde(default)]
    pub(crate) anchor: Option<serde_json::Value>,
    /// When it was opened.
    #[serde(default)]
    pub(crate) opened_at: Option<Timestamp>,
    /// Seconds until its own end.
    #[serde(default)]
    pub(crate) ends_in: Option<f64>,
    /// Its credentials, where one job was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) credentials: Vec<HeldCredential>,
}

/// A credential of a job, without its token.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(crate) struct HeldCredential {
    /// Its name in policy.
    pub(crate) name: String,
    /// The id of its lease.
    pub(crate) lease: String,
    /// The n-th token of the lease.
    #[serde(default)]
    pub(crate) generation: u32,
    /// Seconds until it expires.
    pub(crate) expires_in: f64,
    /// What it allows.
    #[serde(default)]
    pub(crate) scopes: Vec<String>,
    /// Whom it is for.
    #[serde(default)]
    pub(crate) audience: Option<String>,
    /// What can be said of taking it back early.
    pub(crate) revocability: Revocability,
}

/// How far the end of a job has come.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Closed {
    /// `confirmed` or `pending`.
    pub(crate) state: Progress,
    /// The cause that was recorded first.
    #[serde(default)]
    pub(crate) cause: Option<String>,
}

/// Whether an end is durable and done at every target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Progress {
    /// It is.
    Confirmed,
    /// Not yet; whoever asked asks again.
    Pending,
}

/// One line of a job's event stream.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Event {
    /// `credentials`, `ended`, or one that a later version adds.
    #[serde(rename = "event")]
    pub(crate) kind: String,
    /// The newest credentials.
    #[serde(default)]
    pub(crate) credentials: Vec<Credential>,
    /// Those that the broker renews no more.
    #[serde(default)]
    pub(crate) not_renewed: Vec<NotRenewed>,
    /// Why the job ended.
    #[serde(default)]
    pub(crate) cause: Option<String>,
}

/// A credential that the broker renews no more.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct NotRenewed {
    /// The id of its lease.
    pub(crate) lease: String,
    /// The stable reason.
    pub(crate) reason: String,
    /// The same in words.
    #[serde(default)]
    pub(crate) detail: String,
}

/// A refusal (RFC 9457).
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct ProblemDetails {
    /// One line for people.
    #[serde(default)]
    pub(crate) title: String,
    /// More of it.
    #[serde(default)]
    pub(crate) detail: String,
    /// The stable reason.
    #[serde(default)]
    pub(crate) reason: String,
    /// Names the audit record.
    #[serde(default)]
    pub(crate) correlation_id: Option<String>,
    /// Seconds to wait before the next try.
    #[serde(default)]
    pub(crate) retry_after: Option<f64>,
}

/// Seconds of the wire as a duration; nonsense becomes zero.
pub(crate) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_carries_what_the_interface_expects() {
        let request = OpenJob {
            task: "deploy-docs".to_owned(),
            params: [("ref".to_owned(), "main".to_owned())].into(),
            credentials: vec![Wanted {
                name: "docs-api".to_owned(),
                scopes: vec!["docs:write".to_owned()],
            }],
            anchor: Anchor::Process { pid: 4711 },
            max_duration_seconds: Some(300.0),
        };
        assert_eq!(
            serde_json::to_value(request).unwrap(),
            serde_json::json!({
                "task": "deploy-docs",
                "params": {"ref": "main"},
                "credentials": [{"name": "docs-api", "scopes": ["docs:write"]}],
                "anchor": {"type": "process", "pid": 4711},
                "max_duration_seconds": 300.0,
            })
        );
    }

    #[test]
    fn a_token_is_never_printed_by_accident() {
        let credential: Credential = serde_json::from_value(serde_json::json!({
            "name": "docs-api", "type": "jwt", "token": "s3cr3t", "lease": "lease_1",
            "expires_in": 299.9, "revocability": {"kind": "bounded", "seconds": 30},
        }))
        .unwrap();
        assert_eq!(credential.token.reveal(), "s3cr3t");
        let printed = format!("{credential:?}");
        assert!(printed.contains("[redacted]") && !printed.contains("s3cr3t"));
    }

    #[test]
    fn nonsense_seconds_are_zero() {
        for nonsense in [-1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(seconds(nonsense), Duration::ZERO);
        }
    }
}
