//! `taskpass audit`: lists and shows audit records.

use std::str::FromStr;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use taskpass_proto::ids::JobId;
use taskpass_proto::v1::get_audit_record_request::Key;
use taskpass_proto::v1::{AuditRecord, GetAuditRecordRequest, ListAuditRecordsRequest};

use crate::admin::{self, failed, wire};
use crate::commands::pages::Limit;
use crate::context::{Context, block_on};
use crate::exit::{self, Exit};
use crate::failure::Failure;
use crate::output::{Page, View};

const LIST_EXAMPLES: &str = "\
Examples:
  taskpass audit list
  taskpass audit list --event job.denied --subject spiffe://acme.example/agents/triage
  taskpass audit list --job job_01k8m5v4x8e2rr9t6cz1j3q7yd --oldest-first
  taskpass audit list --oldest-first --position 4711 --limit 500 --output json";

const SHOW_EXAMPLES: &str = "\
Examples:
  taskpass audit show 4711
  taskpass audit show dec_01k8m5v4x8e2rr9t6cz1j3q7yd";

/// Lists and shows audit records
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lists audit records, newest first
    #[command(after_long_help = format!("{LIST_EXAMPLES}\n\n{}", exit::CODES))]
    List(List),
    /// Shows one audit record: by number, or by the id that a refusal names
    #[command(after_long_help = format!("{SHOW_EXAMPLES}\n\n{}", exit::CODES))]
    Show(Show),
}

/// The command line of `audit list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only records of this workload
    #[arg(long, value_name = "SPIFFE_ID")]
    subject: Option<String>,

    /// Only records of this job
    #[arg(long, value_name = "JOB")]
    job: Option<JobId>,

    /// Only records of this event, for instance `job.denied`
    #[arg(long, value_name = "EVENT")]
    event: Option<String>,

    /// In the order in which it happened
    #[arg(long)]
    oldest_first: bool,

    /// Goes on from this record: before it, or after it with --oldest-first
    #[arg(long, value_name = "NUMBER")]
    position: Option<u64>,

    #[command(flatten)]
    limit: Limit,
}

/// The command line of `audit show`.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The record's number, or the id that a refusal names
    #[arg(value_name = "ID")]
    id: RecordId,
}

/// What a record is found by.
#[derive(Debug, Clone, PartialEq, Eq)]
enum RecordId {
    Number(u64),
    Decision(String),
}

/// Performs the command.
pub(crate) fn perform(command: Command, context: &Context) -> Result<Exit, Failure> {
    block_on(async {
        match command {
            Command::List(list) => list.perform(context).await,
            Command::Show(show) => show.perform(context).await,
        }
    })
}

impl List {
    async fn perform(self, context: &Context) -> Result<Exit, Failure> {
        let mut client = admin::connect(&context.admin_socket()).await?;
        let mut records = Vec::new();
        let mut position = self.position.unwrap_or(0);
        loop {
            let request = ListAuditRecordsRequest {
                position,
                newest_first: !self.oldest_first,
                page_size: self.limit.page_size(records.len()),
                subject: self.subject.clone().unwrap_or_default(),
                job_id: self.job.map(|job| job.to_string()).unwrap_or_default(),
                event: self.event.clone().unwrap_or_default(),
            };
            let page = client
                .list_audit_records(request)
                .await
                .map_err(failed("cannot list the audit records"))?
                .into_inner();
            position = page.next_position;
            records.extend(page.records.into_iter().map(Record::from));
            if position == 0 || self.limit.is_reached(records.len()) {
                break;
            }
        }
        let next_position = Some(position).filter(|position| *position != 0);
        context.output.show(&Records {
            records,
            next_position,
        })?;
        Ok(Exit::Fine)
    }
}

impl Show {
    async fn perform(self, context: &Context) -> Result<Exit, Failure> {
        let mut client = admin::connect(&context.admin_socket()).await?;
        let key = match self.id {
            RecordId::Number(number) => Key::Number(number),
            RecordId::Decision(id) => Key::DecisionId(id),
        };
        let found = client
            .get_audit_record(GetAuditRecordRequest { key: Some(key) })
            .await
            .map_err(failed("cannot show the audit record"))?;
        let record = found.into_inner().record.unwrap_or_default();
        context.output.show(&Record::from(record))?;
        Ok(Exit::Fine)
    }
}

impl FromStr for RecordId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_id = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        match text.parse() {
            Ok(number) => Ok(Self::Number(number)),
            Err(_) if !text.is_empty() && text.bytes().all(is_id) => {
                Ok(Self::Decision(text.to_owned()))
            }
            Err(_) => Err("write a record's number, or the id that a refusal names".to_owned()),
        }
    }
}

#[derive(Debug, Serialize)]
struct Records {
    records: Vec<Record>,
    /// Pass it as `--position` to go on.
    next_position: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Record {
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
            details,
        }
    }
}

impl View for Records {
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
        if let Some(position) = self.next_position {
            page.gap();
            page.line(&format!("there is more: --position {position}"));
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
    fn a_record_is_found_by_number_or_by_the_id_of_a_refusal() {
        assert_eq!("4711".parse(), Ok(RecordId::Number(4711)));
        assert_eq!(
            "dec_01k8".parse(),
            Ok(RecordId::Decision("dec_01k8".to_owned()))
        );
        for bad in ["", "a b", "../x", "-1!", "ä"] {
            assert!(bad.parse::<RecordId>().is_err(), "{bad}");
        }
    }

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
