//! How audit records are shown.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use taskpass_proto::v1::AuditRecord;

use crate::admin::wire;
use crate::output::{Page, View};

/// A list of audit records.
#[derive(Debug, Serialize)]
pub(crate) struct RecordList {
    /// The records.
    pub(crate) records: Vec<Record>,
    /// Pass it as `--position` to go on.
    pub(crate) next_position: Option<u64>,
    /// The command that goes on, for people.
    #[serde(skip)]
    pub(crate) next: String,
}

/// An audit record.
#[derive(Debug, Serialize)]
pub(crate) struct Record {
    number: u64,
    at: Option<Timestamp>,
    event: String,
    outcome: String,
    subject: String,
    task: String,
    job: String,
    lease: String,
    generation: u32,
    cause: String,
    policy: String,
    decision: String,
    /// As the agent reports it.
    node: String,
    /// `null` where it was erased.
    details: Value,
}

impl From<AuditRecord> for Record {
    fn from(wire: AuditRecord) -> Self {
        let details = serde_json::from_str(&wire.details).unwrap_or(match wire.details.as_str() {
            "" => Value::Null,
            text => Value::String(text.to_owned()),
        });
        Self {
            number: wire.number,
            at: wire::moment(wire.at),
            event: wire.event,
            outcome: wire.outcome,
            subject: wire.subject,
            task: wire.task,
            job: wire.job_id,
            lease: wire.lease_id,
            generation: wire.generation,
            cause: wire::cause(wire.cause),
            policy: wire.policy,
            decision: wire.decision_id,
            node: wire.node,
            details,
        }
    }
}

impl View for RecordList {
    fn text(&self, page: &mut Page) {
        if self.records.is_empty() {
            page.line("no audit records; leave out filters to see more");
            return;
        }
        let rows = self.records.iter().map(|record| {
            let outcome = [&record.outcome, &record.cause].map(String::as_str);
            [
                record.number.to_string(),
                page.when(record.at),
                record.event.clone(),
                outcome.join(" ").trim().to_owned(),
                record.subject.clone(),
                record.task.clone(),
                record.job.clone(),
            ]
        });
        let rows = rows.collect();
        page.table(
            [
                "NUMBER", "WHEN", "EVENT", "OUTCOME", "SUBJECT", "TASK", "JOB",
            ],
            rows,
        );
        if self.next_position.is_some() {
            page.gap();
            page.line(&format!("there is more: {}", self.next));
        }
    }
}

impl View for Record {
    fn text(&self, page: &mut Page) {
        let generation = match self.generation {
            0 => String::new(),
            generation => generation.to_string(),
        };
        let facts = [
            ("number", self.number.to_string()),
            ("at", page.moment(self.at)),
            ("event", self.event.clone()),
            ("outcome", self.outcome.clone()),
            ("cause", self.cause.clone()),
            ("subject", self.subject.clone()),
            ("node", self.node.clone()),
            ("task", self.task.clone()),
            ("job", self.job.clone()),
            ("lease", self.lease.clone()),
            ("generation", generation),
            ("policy", self.policy.clone()),
            ("decision", self.decision.clone()),
        ];
        page.facts(facts);
        page.gap();
        match &self.details {
            Value::Null => page.line("the details were erased, or there are none"),
            details => {
                let text = serde_json::to_string_pretty(details).unwrap_or_default();
                text.lines().for_each(|line| page.line(line));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_that_are_no_json_are_shown_as_they_are() {
        let record = |details: &str| {
            Record::from(AuditRecord {
                details: details.to_owned(),
                ..AuditRecord::default()
            })
            .details
        };
        assert_eq!(record(""), Value::Null);
        assert_eq!(record("{\"a\":1}"), serde_json::json!({"a": 1}));
        assert_eq!(record("{broken"), Value::String("{broken".to_owned()));
    }
}
