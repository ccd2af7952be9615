//! How an explanation is shown.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use taskpass_broker::domain::policy::tools::explain::{Explanation, Lifetime};
use taskpass_broker::domain::policy::tools::input::Input;
use taskpass_broker::domain::policy::tools::replay::Difference;
use taskpass_broker::domain::policy::{JobFacts, Permitted, Wanted, show_duration};
use taskpass_broker::domain::time::UnixMillis;

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
    params: BTreeMap<String, String>,
    /// What was asked for by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    wanted: Vec<Wanted>,
    /// The time of the decision.
    time: Option<Timestamp>,
    renewal: bool,
    #[serde(skip)]
    job: JobFacts,
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
            time: timestamp(input.circumstances.at),
            renewal: input.circumstances.job.is_renewal,
            job: input.circumstances.job,
            task: input.task,
            params: input.parameters,
            wanted: input.wanted,
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

    /// `ref = "main", note = "x"`.
    fn parameters(&self) -> String {
        let one = |(name, value): (&String, &String)| format!("{name} = {value:?}");
        self.params.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    /// `docs-site (docs:write), tickets`.
    fn wanted(&self) -> String {
        let one = |wanted: &Wanted| match wanted.scopes.join(" ") {
            none if none.is_empty() => wanted.name.clone(),
            scopes => format!("{} ({scopes})", wanted.name),
        };
        self.wanted.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    /// What matters of the job beside that it is opened.
    fn life(&self) -> String {
        let opened = timestamp(self.job.opened_at).map(|at| at.to_string());
        let opened = opened.unwrap_or_default();
        if self.renewal {
            let generation = self.job.generation;
            format!("a renewal (generation {generation}), the job was opened at {opened}")
        } else if timestamp(self.job.opened_at) == self.time {
            String::new()
        } else {
            format!("a credential that is asked for later, the job was opened at {opened}")
        }
    }

    fn unmet(&self, page: &mut Page) {
        for unmet in &self.explanation.unmet {
            page.line(&format!("  {}: {}", unmet.change, unmet.condition));
            if !unmet.values.is_empty() {
                page.styled(FAINT, &format!("    with {}", unmet.values));
            }
            for part in &unmet.parts {
                page.line(&format!("    because of {part}"));
            }
        }
    }

    fn otherwise(&self, page: &mut Page) {
        let explanation = &self.explanation;
        if !(explanation.near_misses.is_empty() && explanation.unmet.is_empty()) {
            page.gap();
            page.styled(LABEL, "what would have to be otherwise");
        }
        for miss in &explanation.near_misses {
            page.line(&format!("  {}: {}", miss.change, miss.outcome));
        }
        self.unmet(page);
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
            ("parameters", self.parameters()),
            ("asked for", self.wanted()),
            (
                "time",
                self.time.map(|at| at.to_string()).unwrap_or_default(),
            ),
            ("job", self.life()),
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

fn timestamp(at: UnixMillis) -> Option<Timestamp> {
    let millis = i64::try_from(at.as_millis()).ok()?;
    Timestamp::from_millisecond(millis).ok()
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
