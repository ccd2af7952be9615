//! `taskpass audit list` and `taskpass audit show`.

use std::str::FromStr;

use clap::Args;
use clap::builder::PossibleValuesParser;
use taskpass_identity::SpiffeId;
use taskpass_proto::ids::JobId;
use taskpass_proto::v1::get_audit_record_request::Key;
use taskpass_proto::v1::{GetAuditRecordRequest, ListAuditRecordsRequest};

use crate::admin::audit::{Record, RecordList};
use crate::admin::{self, failed, not_found};
use crate::commands::pages::Limit;
use crate::context::Context;
use crate::events::EVENTS;
use crate::exit::Exit;
use crate::failure::Failure;

pub(super) const LIST_EXAMPLES: &str = "\
Examples:
  taskpass audit list
  taskpass audit list --event job.denied --subject spiffe://acme.example/agents/triage
  taskpass audit list --job job_01k8m5v4x8e2rr9t6cz1j3q7yd --oldest-first
  taskpass audit list --oldest-first --position 4711 --limit 500 --output json";

pub(super) const SHOW_EXAMPLES: &str = "\
Examples:
  taskpass audit show 4711
  taskpass audit show dec_01k8m5v4x8e2rr9t6cz1j3q7yd";

/// The command line of `audit list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only records of this workload
    #[arg(long, value_name = "SPIFFE_ID")]
    subject: Option<SpiffeId>,

    /// Only records of this job
    #[arg(long, value_name = "JOB")]
    job: Option<JobId>,

    /// Only records of this event, for instance `job.denied`; `docs/audit-log.md` has them all
    #[arg(
        long,
        value_name = "EVENT",
        value_parser = PossibleValuesParser::new(EVENTS),
        hide_possible_values = true
    )]
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
pub(crate) enum RecordId {
    /// The record's number.
    Number(u64),
    /// Its decision.
    Decision(String),
}

impl List {
    /// Performs the command.
    pub(super) async fn perform(self, context: &Context) -> Result<Exit, Failure> {
        let mut client = admin::connect(&context.admin_socket()).await?;
        let mut records = Vec::new();
        let mut position = self.position.unwrap_or(0);
        loop {
            let request = ListAuditRecordsRequest {
                position,
                newest_first: !self.oldest_first,
                page_size: self.limit.page_size(records.len()),
                subject: self
                    .subject
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
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
        context.output.show(&RecordList {
            records,
            next_position,
            next: next_position
                .map(|position| self.next(position))
                .unwrap_or_default(),
        })?;
        Ok(Exit::Fine)
    }
}

impl List {
    /// The command that goes on from a position.
    fn next(&self, position: u64) -> String {
        let mut words = vec!["taskpass audit list".to_owned()];
        words.extend(self.subject.as_ref().map(|id| format!("--subject {id}")));
        words.extend(self.job.map(|job| format!("--job {job}")));
        words.extend(self.event.as_ref().map(|event| format!("--event {event}")));
        words.extend(self.oldest_first.then(|| "--oldest-first".to_owned()));
        words.extend(self.limit.option());
        words.push(format!("--position {position}"));
        words.join(" ")
    }
}

impl Show {
    /// Performs the command.
    pub(super) async fn perform(self, context: &Context) -> Result<Exit, Failure> {
        let mut client = admin::connect(&context.admin_socket()).await?;
        let key = Key::from(self.id);
        let found = client
            .get_audit_record(GetAuditRecordRequest { key: Some(key) })
            .await
            .map_err(not_found(
                "cannot show the audit record",
                "`taskpass audit list` shows the records",
            ))?;
        let record = found.into_inner().record.unwrap_or_default();
        context.output.show(&Record::from(record))?;
        Ok(Exit::Fine)
    }
}

impl From<RecordId> for Key {
    fn from(id: RecordId) -> Self {
        match id {
            RecordId::Number(number) => Self::Number(number),
            RecordId::Decision(id) => Self::DecisionId(id),
        }
    }
}

impl FromStr for RecordId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_id = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        match text.parse() {
            Ok(number) => Ok(Self::Number(number)),
            Err(_) if text.starts_with("dec_") && text.bytes().all(is_id) => {
                Ok(Self::Decision(text.to_owned()))
            }
            Err(_) => {
                Err("write a record's number, or the id that a refusal names, `dec_…`".to_owned())
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
        for bad in ["", "foo", "dec_a b", "../x", "-1!", "ä"] {
            assert!(bad.parse::<RecordId>().is_err(), "{bad}");
        }
    }
}
