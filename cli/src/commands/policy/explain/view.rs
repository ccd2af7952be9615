//! How an explanation is shown.

use jiff::Timestamp;
use serde::Serialize;
use taskpass_broker::domain::policy::tools::explain::{Explanation, Lifetime};
use taskpass_broker::domain::policy::tools::input::Input;
use taskpass_broker::domain::policy::tools::replay::Difference;
use taskpass_broker::domain::policy::{Permitted, show_duration};

use crate::commands::policy::considered;
use crate::exit::Exit;
use crate::output::page::{ERROR, FAINT, GOOD, LABEL, WARNING};
use crate::output::{Page, View};

/// An explanation with the request that it is about.
#[derive(Debug, Serialize)]
pub(super) struct Explained {
    allowed: bool,
    workload: String,
    task: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<Past>,
    explanation: Explanation,
}

/// The record that an explanation is about.
#[derive(Debug, Serialize)]
pub(super) struct Past {
    pub(super) number: u64,
    pub(super) at: Option<Timestamp>,
    pub(super) decision: String,
    /// Whether the policy of that day decides the recorded request again as it did.
    pub(super) reproduced: bool,
    pub(super) policy_today: String,
    /// What would come out differently today.
    pub(super) today: Vec<Difference>,
}

impl Explained {
    pub(super) fn new(input: Input, explanation: Explanation) -> Self {
        Self {
            allowed: explanation.decision.allowed().is_ok(),
            workload: input.workload.to_string(),
            task: input.task,
            record: None,
            explanation,
        }
    }

    pub(super) fn of_the_past(self, past: Past) -> Self {
        Self {
            record: Some(past),
            ..self
        }
    }

    pub(super) fn exit(&self) -> Exit {
        if self.allowed {
            Exit::Fine
        } else {
            Exit::Negative
        }
    }

    fn outcome(&self, page: &mut Page) {
        let decision = &self.explanation.decision;
        match decision.allowed() {
            Ok(allowed) => {
                page.styled(GOOD, "allowed");
                for permitted in &allowed.credentials {
                    credential(page, permitted, &self.explanation.lifetimes);
                }
                let (duration, jobs) = (allowed.max_duration, allowed.max_live_jobs);
                let duration = show_duration(duration);
                page.line(&format!(
                    "  the job lives at most {duration}, {jobs} at a time"
                ));
            }
            Err(denied) => {
                page.styled(ERROR, &format!("denied: {}", denied.reason.code()));
                page.line(&format!("  {}", denied.explanation));
            }
        }
    }

    fn considered(&self, page: &mut Page) {
        page.gap();
        page.styled(LABEL, "considered");
        if !self.explanation.is_task_known {
            page.line(&format!("  the policy has no task {:?}", self.task));
        }
        let grants = self.explanation.grants.iter().map(considered::grant);
        let rest = considered::beyond_grants(&self.explanation.decision);
        for line in grants.chain(rest) {
            page.line(&format!("  {line}"));
        }
        if self.explanation.more_grants > 0 {
            let more = self.explanation.more_grants;
            page.line(&format!("  {more} more grants are for other workloads"));
        }
    }

    fn otherwise(&self, page: &mut Page) {
        let explanation = &self.explanation;
        if !explanation.near_misses.is_empty() {
            page.gap();
            page.styled(LABEL, "what would have to be otherwise");
        }
        for miss in &explanation.near_misses {
            page.line(&format!("  {}: {}", miss.change, miss.outcome));
        }
        if !explanation.own_tasks.is_empty() {
            page.gap();
            let tasks = explanation.own_tasks.join(", ");
            page.line(&format!("the workload is granted: {tasks}"));
        }
    }
}

impl View for Explained {
    fn text(&self, page: &mut Page) {
        if let Some(past) = &self.record {
            page.line(&format!(
                "record {}, decided {}",
                past.number,
                page.moment(past.at)
            ));
        }
        self.outcome(page);
        page.gap();
        let decision = &self.explanation.decision;
        let environment = decision.environment.to_string();
        let environment = environment.trim_start_matches("environment ").to_owned();
        let identity = decision.identity.as_deref().unwrap_or_default();
        page.facts([
            ("workload", self.workload.clone()),
            ("identity", identity.to_owned()),
            ("environment", environment),
            ("task", self.task.clone()),
            ("policy", decision.policy.to_string()),
        ]);
        self.considered(page);
        self.otherwise(page);
        if let Some(past) = &self.record {
            past.text(page);
        }
    }
}

impl Past {
    fn text(&self, page: &mut Page) {
        page.gap();
        if self.reproduced {
            page.line("the policy of that day decides the request again as it was decided");
        } else {
            let text = "the policy of that day decides otherwise than is recorded: another version of the broker decided, or `--installation` names other facts";
            page.styled(WARNING, text);
        }
        if self.today.is_empty() {
            page.line("the policy in force today decides the same");
        } else {
            page.line("under the policy in force today:");
        }
        for difference in &self.today {
            page.line(&format!(
                "  {} {}",
                difference.kind.words(),
                difference.about
            ));
        }
    }
}

fn credential(page: &mut Page, permitted: &Permitted, lifetimes: &[Lifetime]) {
    let (name, ttl) = (&permitted.name, show_duration(permitted.ttl));
    page.line(&format!("  {name} for {}, {ttl}", permitted.audience));
    if !permitted.scopes.is_empty() {
        page.line(&format!("    scopes: {}", permitted.scopes.join(" ")));
    }
    let limits = lifetimes
        .iter()
        .filter(|lifetime| lifetime.credential == *name)
        .flat_map(|lifetime| &lifetime.limits);
    let limits: Vec<_> = limits.map(ToString::to_string).collect();
    page.styled(
        FAINT,
        &format!("    lifetime: the least of {}", limits.join(", ")),
    );
}
