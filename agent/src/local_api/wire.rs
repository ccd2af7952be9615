//! What requests and answers look like.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use taskpass_proto::reason::Reason;
use taskpass_proto::refusal::Refusal;
use taskpass_proto::time::to_wire;
use taskpass_proto::v1;
use taskpass_proto::v1::revocability::Kind;

use super::problem::Problem;
use crate::clock::Instant;
use crate::job::held::{Held, Token};
use crate::job::view::{JobView, Stage, cause_word};

/// A job that is tied to time alone lives this long unless it says otherwise.
pub const DEFAULT_TTL: Duration = Duration::from_secs(300);
/// No job is asked for longer: a typo in the unit is found here.
const LONGEST: f64 = 366.0 * 24.0 * 3600.0;

/// `POST /v1/jobs`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenJob {
    /// The task.
    pub task: String,
    /// Its parameters.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
    /// The credentials; none means all that are granted.
    #[serde(default)]
    pub credentials: Vec<Credential>,
    /// What it is tied to.
    #[serde(default)]
    pub anchor: Anchor,
    /// A shorter life than the task's maximum.
    pub max_duration_seconds: Option<f64>,
}

/// What a job is tied to.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Anchor {
    /// Time alone.
    #[default]
    Ttl,
    /// The process that asks.
    Caller,
    /// Another process of the same user.
    Process {
        /// Its number.
        pid: u32,
    },
    /// The connection on which it was asked for.
    Connection,
}

/// One credential that is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    name: String,
    #[serde(default)]
    scopes: Vec<String>,
    lifetime_seconds: Option<f64>,
    /// Known so that it can be refused with its reason; never passed on.
    binding: Option<Value>,
}

/// `POST /v1/jobs/{id}/credentials`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssueMore {
    /// The credentials; none means all that are granted.
    #[serde(default)]
    pub credentials: Vec<Credential>,
}

/// `POST /v1/jobs/{id}/anchors`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddAnchor {
    /// A process of the same user.
    pub pid: u32,
}

/// The body of `DELETE /v1/jobs/{id}`; may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloseJob {
    /// How the command ended: its exit code, or 128 and the signal.
    pub exit_status: Option<i32>,
}

/// The query of `DELETE /v1/jobs/{id}`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloseQuery {
    /// How long to wait for the broker to confirm.
    pub wait_seconds: Option<f64>,
}

/// `GET /v1/status`.
#[derive(Debug, Serialize)]
pub struct Status {
    /// The agent's version.
    pub version: &'static str,
    /// RFC 3339.
    pub started_at: String,
    /// The machine's name.
    pub host: String,
    /// The socket's path.
    pub socket: String,
    /// The broker.
    pub broker: BrokerStatus,
    /// The node's workloads.
    pub identities: Vec<IdentityStatus>,
    /// Live jobs of everybody.
    pub jobs: usize,
    /// Who asks.
    pub caller: CallerStatus,
    /// What is wrong, each with what to do about it.
    pub problems: Vec<ProblemStatus>,
}

/// The broker, as the agent sees it.
#[derive(Debug, Serialize)]
pub struct BrokerStatus {
    /// Where it is.
    pub address: String,
    /// Who it must be.
    pub spiffe_id: String,
    /// Whether every identity's heartbeat stands.
    pub connected: bool,
    /// Why not.
    pub error: Option<String>,
}

/// One workload of the node.
#[derive(Debug, Serialize)]
pub struct IdentityStatus {
    /// Its SPIFFE ID.
    pub spiffe_id: String,
    /// The end of its SVID, RFC 3339.
    pub expires_at: String,
    /// Whether its heartbeat stands.
    pub connected: bool,
    /// What is wrong with its files or its heartbeat.
    pub error: Option<String>,
}

/// Who asks.
#[derive(Debug, Serialize)]
pub struct CallerStatus {
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its process.
    pub pid: u32,
    /// The workload that it is.
    pub spiffe_id: Option<String>,
}

/// What is wrong.
#[derive(Debug, Serialize)]
pub struct ProblemStatus {
    /// What.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl Credential {
    /// The same for the broker.
    pub fn into_wire(self) -> Result<v1::CredentialRequest, Problem> {
        // INVARIANT: a token would be bound to the agent's certificate, whose key never leaves the agent; and
        // nothing is issued unbound instead.
        if self.binding.is_some() {
            return Err(Problem::from(Refusal::new(
                Reason::BindingUnsupported,
                "tokens through an agent cannot be bound: the certificate is the agent's; a workload with an SVID \
                 of its own asks the broker itself",
            )));
        }
        let lifetime = self
            .lifetime_seconds
            .map(|s| seconds("lifetime_seconds", s))
            .transpose()?;
        Ok(v1::CredentialRequest {
            name: self.name,
            scopes: self.scopes,
            lifetime: lifetime.map(to_wire),
            binding: None,
        })
    }
}

/// A duration of seconds, as JSON has it.
pub fn seconds(field: &str, seconds: f64) -> Result<Duration, Problem> {
    if seconds.is_finite() && (0.0..=LONGEST).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err(Problem::invalid(format!(
            "`{field}` is a number of seconds, at most a year"
        )))
    }
}

/// A job with its credentials.
pub fn job(view: &JobView, now: Instant) -> Value {
    json!({
        "job": view.id.to_string(),
        "task": view.task,
        "state": view.stage.as_str(),
        "anchor": view.anchor,
        "decision": view.decision,
        "policy": view.policy,
        "opened_at": moment(view.opened_at_millis),
        "ends_in": view.ends_at.map(|end| end.saturating_sub(now).as_secs_f64()),
        "credentials": credentials(view, now),
    })
}

/// A job in a list: without its credentials.
pub fn listed(view: &JobView, now: Instant) -> Value {
    let mut listed = job(view, now);
    if let Some(members) = listed.as_object_mut() {
        members.remove("credentials");
    }
    listed
}

/// The credentials of a job that are valid now.
pub fn credentials(view: &JobView, now: Instant) -> Vec<Value> {
    view.credentials
        .iter()
        .filter_map(|held| credential(held, now))
        .collect()
}

/// What has happened to a job, one line of its events; `None` for nothing that concerns anybody.
pub fn event(view: &JobView, now: Instant) -> Option<Value> {
    match view.stage {
        Stage::Opening => None,
        Stage::Open => {
            let mut event =
                json!({ "event": "credentials", "credentials": credentials(view, now) });
            let not_renewed: Vec<Value> = view.credentials.iter().filter_map(not_renewed).collect();
            if let Some(members) = event.as_object_mut()
                && !not_renewed.is_empty()
            {
                members.insert("not_renewed".into(), not_renewed.into());
            }
            Some(event)
        }
        Stage::Closing(cause) => Some(json!({ "event": "ended", "cause": cause_word(cause) })),
        Stage::Ended(cause) => Some(json!({ "event": "ended", "cause": cause.map(cause_word) })),
    }
}

/// A point in time for people.
pub fn moment(unix_millis: u64) -> String {
    let millis = i64::try_from(unix_millis).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(millis)
        .map(|at| at.to_string())
        .unwrap_or_default()
}

fn credential(held: &Held, now: Instant) -> Option<Value> {
    // INVARIANT: a token past its end is never handed out, whether or not it was dropped yet.
    let token: &Token = held.token.as_ref().filter(|token| now < token.expires_at)?;
    Some(json!({
        "name": held.name,
        "type": token.kind,
        "token": token.secret.expose(),
        "lease": held.lease,
        "generation": held.generation,
        "expires_in": token.expires_at.saturating_sub(now).as_secs_f64(),
        "expires_at": moment(token.expires_at_millis),
        "scopes": token.scopes,
        "audience": token.audience,
        "revocability": revocability(&token.revocability),
    }))
}

/// A credential that the broker renews no more. It may be valid for a while, and its name is not known after a
/// restart of the agent.
fn not_renewed(held: &Held) -> Option<Value> {
    let why = held.refused.as_ref()?;
    Some(json!({
        "name": held.name,
        "lease": held.lease,
        "reason": why.reason.code(),
        "detail": why.message,
    }))
}

fn revocability(revocability: &v1::Revocability) -> Value {
    match &revocability.kind {
        Some(Kind::Immediate(_)) => json!({ "kind": "immediate" }),
        Some(Kind::Bounded(within)) => {
            let seconds = taskpass_proto::time::from_wire(within).unwrap_or_default();
            json!({ "kind": "bounded", "seconds": seconds.as_secs_f64() })
        }
        Some(Kind::ExpiryOnly(_)) | None => json!({ "kind": "expiry-only" }),
    }
}
