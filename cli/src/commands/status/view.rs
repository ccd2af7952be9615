//! How the status is shown.

use std::path::Path;

use serde::Serialize;

use crate::exit::Exit;
use crate::local::status::{Identity, Problem, Status};
use crate::output::page::{FAINT, GOOD, WARNING};
use crate::output::{Page, View};

use super::Seen;
use super::health::{self, BrokerStatus};

/// The whole status.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    healthy: bool,
    agent: Seen<Status>,
    broker: Seen<BrokerStatus>,
    problems: Vec<Problem>,
}

impl Report {
    /// Puts together what was seen.
    pub(super) fn new(agent: Seen<Status>, broker: Seen<BrokerStatus>, tried: [&Path; 2]) -> Self {
        let problems = health::problems(&agent, &broker, tried);
        Self {
            healthy: problems.is_empty(),
            agent,
            broker,
            problems,
        }
    }

    /// Something that is wrong is a negative answer.
    pub(super) fn exit(&self) -> Exit {
        if self.healthy {
            Exit::Fine
        } else {
            Exit::Negative
        }
    }
}

impl View for Report {
    fn text(&self, page: &mut Page) {
        match &self.agent {
            Seen::Reachable(status) => agent(status, page),
            Seen::Absent => page.styled(FAINT, "agent: not on this machine"),
            Seen::Unreachable(_) => page.styled(WARNING, "agent: does not answer"),
        }
        page.gap();
        match &self.broker {
            Seen::Reachable(status) => broker(status, page),
            Seen::Absent => page.styled(FAINT, "broker: not on this machine"),
            Seen::Unreachable(_) => page.styled(WARNING, "broker: does not answer"),
        }
        page.gap();
        if self.problems.is_empty() {
            page.styled(GOOD, "all is well");
        }
        for problem in &self.problems {
            page.styled(WARNING, &format!("problem: {}", problem.what));
            if !problem.remedy.is_empty() {
                page.line(&format!("  try: {}", problem.remedy));
            }
        }
    }
}

fn agent(status: &Status, page: &mut Page) {
    let broker = &status.broker;
    let connection = match (broker.connected, &broker.error) {
        (true, _) => "connected".to_owned(),
        (false, None) => "not connected".to_owned(),
        (false, Some(error)) => format!("not connected: {error}"),
    };
    let uid = status.caller.uid;
    let caller = match &status.caller.spiffe_id {
        Some(id) => format!("{id} (uid {uid})"),
        None => format!("uid {uid}, which speaks for no workload"),
    };
    let identities = status
        .identities
        .iter()
        .map(|one| ("  identity", identity(one, page)));
    let facts = [
        ("agent", format!("version {}", status.version)),
        ("  started", page.moment(status.started_at)),
        (
            "  broker",
            format!("{} at {}, {connection}", broker.spiffe_id, broker.address),
        ),
        ("  you", caller),
        ("  jobs", status.jobs.to_string()),
    ];
    let facts: Vec<_> = facts.into_iter().chain(identities).collect();
    page.facts(facts);
}

fn identity(identity: &Identity, page: &Page) -> String {
    let id = identity.spiffe_id.as_deref().unwrap_or("(no SVID yet)");
    let end = match identity.expires_at {
        Some(_) => format!(", SVID until {}", page.moment(identity.expires_at)),
        None => String::new(),
    };
    let error = match &identity.error {
        Some(error) => format!(": {error}"),
        None => String::new(),
    };
    format!("{id}{end}{error}")
}

fn broker(status: &BrokerStatus, page: &mut Page) {
    let ready = if status.ready { "ready" } else { "not ready" };
    let facts = [
        ("broker", format!("version {}, {ready}", status.version)),
        ("  started", page.moment(status.started_at)),
        ("  identity", status.spiffe_id.clone()),
        ("  SVID until", page.moment(status.svid_expires_at)),
        ("  issuer", status.issuer.clone()),
        ("  policy", status.policy.clone()),
        ("  policy loaded", page.moment(status.policy_loaded_at)),
        ("  open jobs", status.open_jobs.to_string()),
        ("  sessions", status.sessions.to_string()),
    ];
    page.facts(facts);
}
