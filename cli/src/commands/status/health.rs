//! What is wrong, from what the agent and the broker say of themselves.

use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;
use taskpass_proto::v1::GetStatusResponse;

use crate::admin::wire::moment;
use crate::local::status::{Problem, Status};

use super::Seen;

/// What the broker says of itself.
#[derive(Debug, Default, Serialize)]
pub(super) struct BrokerStatus {
    pub(super) version: String,
    pub(super) issuer: String,
    pub(super) spiffe_id: String,
    pub(super) svid_expires_at: Option<Timestamp>,
    pub(super) policy: String,
    pub(super) policy_loaded_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) policy_error: String,
    pub(super) open_jobs: u64,
    pub(super) sessions: u64,
    pub(super) started_at: Option<Timestamp>,
    pub(super) ready: bool,
    pub(super) problems: Vec<Problem>,
}

impl From<GetStatusResponse> for BrokerStatus {
    fn from(wire: GetStatusResponse) -> Self {
        let problems = wire.problems.into_iter().map(|problem| Problem {
            what: problem.what,
            remedy: problem.remedy,
        });
        Self {
            version: wire.version,
            issuer: wire.issuer,
            spiffe_id: wire.spiffe_id,
            svid_expires_at: moment(wire.svid_expires_at),
            policy: wire.policy,
            policy_loaded_at: moment(wire.policy_loaded_at),
            policy_error: wire.policy_error,
            open_jobs: wire.open_jobs,
            sessions: wire.sessions,
            started_at: moment(wire.started_at),
            ready: wire.ready,
            problems: problems.collect(),
        }
    }
}

/// Everything that is wrong, with what to do about it.
///
/// `tried` are the sockets of the agent and of the broker that were looked for.
pub(super) fn problems(
    agent: &Seen<Status>,
    broker: &Seen<BrokerStatus>,
    tried: [&Path; 2],
) -> Vec<Problem> {
    if let (Seen::Absent, Seen::Absent) = (agent, broker) {
        let [agent, broker] = tried.map(Path::display);
        return vec![problem(
            &format!("neither an agent is here, at `{agent}`, nor a broker, at `{broker}`"),
            "start one, or name its socket with --agent-socket or --admin-socket; for `taskpass dev`, run the \
             `export` lines that it prints at its start",
        )];
    }
    of_agent(agent)
        .into_iter()
        .chain(of_broker(broker))
        .collect()
}

fn of_agent(agent: &Seen<Status>) -> Vec<Problem> {
    match agent {
        Seen::Absent => Vec::new(),
        Seen::Unreachable(problem) => vec![problem.clone()],
        Seen::Reachable(status) if status.problems.is_empty() && !status.broker.connected => {
            let why = status
                .broker
                .error
                .as_deref()
                .unwrap_or("it does not say why");
            vec![problem(
                &format!(
                    "the agent has no connection to the broker at {}: {why}",
                    status.broker.address
                ),
                "check the address in agent.toml, and that the broker runs",
            )]
        }
        Seen::Reachable(status) => status.problems.clone(),
    }
}

fn of_broker(broker: &Seen<BrokerStatus>) -> Vec<Problem> {
    let status = match broker {
        Seen::Absent => return Vec::new(),
        Seen::Unreachable(problem) => return vec![problem.clone()],
        Seen::Reachable(status) => status,
    };
    let mut all = status.problems.clone();
    let told = all
        .iter()
        .any(|problem| problem.what.contains(&status.policy_error));
    if !status.policy_error.is_empty() && !told {
        all.push(problem(
            &format!(
                "the newest policy files are refused: {}",
                status.policy_error
            ),
            "find the errors with `taskpass policy check DIR`; the policy before them is in force",
        ));
    }
    if all.is_empty() && !status.ready {
        all.push(problem(
            "the broker is not ready",
            "`/readyz` of its operations port says why; it may still be starting",
        ));
    }
    all
}

fn problem(what: &str, remedy: &str) -> Problem {
    Problem {
        what: what.to_owned(),
        remedy: remedy.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(connected: bool, problems: &[&str]) -> Seen<Status> {
        let problems: Vec<_> = problems
            .iter()
            .map(|what| serde_json::json!({"what": what, "remedy": "mend it"}))
            .collect();
        Seen::Reachable(
            serde_json::from_value(serde_json::json!({
                "version": "0.1.0", "caller": {"uid": 7}, "problems": problems,
                "broker": {"address": "broker:8440", "spiffe_id": "spiffe://acme.example/broker", "connected": connected},
            }))
            .unwrap(),
        )
    }

    fn broker(ready: bool, policy_error: &str, problems: &[&str]) -> Seen<BrokerStatus> {
        Seen::Reachable(BrokerStatus {
            ready,
            policy_error: policy_error.to_owned(),
            problems: problems
                .iter()
                .map(|what| problem(what, "mend it"))
                .collect(),
            ..BrokerStatus::default()
        })
    }

    #[test]
    fn each_thing_that_is_wrong_is_told_once() {
        let gone = || problem("gone", "start it");
        let table: [(Seen<Status>, Seen<BrokerStatus>, &[&str]); 10] = [
            (agent(true, &[]), broker(true, "", &[]), &[]),
            (agent(true, &[]), Seen::Absent, &[]),
            (Seen::Absent, broker(true, "", &[]), &[]),
            (Seen::Absent, Seen::Absent, &["neither"]),
            (Seen::Unreachable(gone()), Seen::Absent, &["gone"]),
            (
                agent(false, &[]),
                Seen::Unreachable(gone()),
                &["the agent has no connection", "gone"],
            ),
            (agent(false, &["no SVID"]), Seen::Absent, &["no SVID"]),
            (
                Seen::Absent,
                broker(false, "", &[]),
                &["the broker is not ready"],
            ),
            (
                Seen::Absent,
                broker(true, "a.toml:3:1", &[]),
                &["the newest policy files are refused"],
            ),
            (
                Seen::Absent,
                broker(false, "a.toml:3:1", &["policy: a.toml:3:1"]),
                &["policy: a.toml:3:1"],
            ),
        ];
        for (agent, broker, expected) in table {
            let tried = ["/run/agent.sock", "/run/admin.sock"].map(Path::new);
            let found = problems(&agent, &broker, tried);
            assert_eq!(found.len(), expected.len(), "{found:?}");
            for (problem, start) in found.iter().zip(expected) {
                assert!(problem.what.starts_with(start), "{problem:?}");
                assert!(!problem.remedy.is_empty(), "{problem:?}");
            }
        }
    }
}
