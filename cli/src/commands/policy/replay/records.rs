//! Where the records come from: the broker, page by page, or a file.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use taskpass_broker::domain::policy::tools::replay::{Record, Replay};
use taskpass_proto::v1::ListAuditRecordsRequest;

use crate::admin::{self, failed, wire};
use crate::context::Context;
use crate::failure::Failure;

/// Records of one page: with full details, it stays below what a message may be.
const PAGE: u32 = 50;
/// Bytes of one record in a file; more is no record.
const MAX_LINE_BYTES: u64 = 1024 * 1024;

/// Reads the audit log from its end to the point in time.
pub(super) async fn of_broker(
    since: Option<Timestamp>,
    replay: &mut Replay<'_>,
    context: &Context,
) -> Result<(), Failure> {
    let mut client = admin::connect(&context.admin_socket()).await?;
    let mut position = 0;
    loop {
        let request = ListAuditRecordsRequest {
            position,
            newest_first: true,
            page_size: PAGE,
            ..ListAuditRecordsRequest::default()
        };
        let page = client
            .list_audit_records(request)
            .await
            .map_err(failed("cannot read the audit log"))?
            .into_inner();
        for record in &page.records {
            if is_before(wire::moment(record.at), since) {
                return Ok(());
            }
            replay.take(Record {
                number: record.number,
                event: &record.event,
                workload: &record.subject,
                task: &record.task,
                decision: &record.decision_id,
                details: &record.details,
            });
        }
        position = page.next_position;
        if position == 0 {
            return Ok(());
        }
    }
}

/// A record as `audit list --output json` writes it.
#[derive(Deserialize)]
struct Exported<'a> {
    number: u64,
    at: Option<Timestamp>,
    event: String,
    #[serde(default, alias = "workload")]
    subject: Option<String>,
    #[serde(default)]
    task: Option<String>,
    #[serde(default)]
    decision: Option<String>,
    #[serde(borrow, default)]
    details: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    records: Vec<Exported<'a>>,
}

/// The first line of what `audit export` writes.
#[derive(Deserialize)]
struct BundleHeader {
    #[serde(rename = "checkpoint")]
    _checkpoint: String,
}

/// A record as `audit export` writes it.
#[derive(Deserialize)]
struct Bundled {
    number: u64,
    leaf: String,
    details: Option<String>,
}

/// What a record's leaf says, as far as it matters here.
#[derive(Deserialize)]
struct LeafOf {
    at: i64,
    event: String,
    #[serde(default)]
    subject: String,
    #[serde(default)]
    task: String,
    #[serde(default)]
    decision: String,
}

/// Reads a file: one document with `records`, one record a line, or an export with its header.
pub(super) fn of_file(
    path: &Path,
    since: Option<Timestamp>,
    replay: &mut Replay<'_>,
) -> Result<(), Failure> {
    let unreadable = |why: &dyn std::fmt::Display| {
        Failure::usage(format!("cannot read `{}`", path.display())).why(why)
    };
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    let mut reader = BufReader::new(file);
    let mut line = String::new();
    let mut number = 0_u64;
    let mut is_bundle = false;
    loop {
        line.clear();
        let mut limited = reader.by_ref().take(MAX_LINE_BYTES);
        let read = limited
            .read_line(&mut line)
            .map_err(|error| unreadable(&error))?;
        number += 1;
        if read == 0 {
            return Ok(());
        }
        if line.trim().is_empty() {
            continue;
        }
        let no_record = |error| unreadable(&format!("line {number} is no record: {error}"));
        if is_bundle {
            take_bundled(&line, since, replay).map_err(no_record)?;
            continue;
        }
        if number == 1 && serde_json::from_str::<BundleHeader>(&line).is_ok() {
            is_bundle = true;
            continue;
        }
        match serde_json::from_str::<Exported<'_>>(&line) {
            Ok(record) => take(&record, since, replay),
            // A document of several lines begins with a line that is no record.
            Err(_) if number == 1 => {
                reader
                    .read_to_string(&mut line)
                    .map_err(|error| unreadable(&error))?;
                return of_document(&line, since, replay).map_err(|error| unreadable(&error));
            }
            Err(error) => return Err(no_record(error)),
        }
    }
}

fn of_document(
    text: &str,
    since: Option<Timestamp>,
    replay: &mut Replay<'_>,
) -> Result<(), serde_json::Error> {
    let document: Document<'_> = serde_json::from_str(text)?;
    for record in &document.records {
        take(record, since, replay);
    }
    Ok(())
}

fn take(record: &Exported<'_>, since: Option<Timestamp>, replay: &mut Replay<'_>) {
    if is_before(record.at, since) {
        return;
    }
    let text = |text: &'_ Option<String>| text.clone().unwrap_or_default();
    // Erased details are `null` here.
    let details = record.details.map(RawValue::get);
    replay.take(Record {
        number: record.number,
        event: &record.event,
        workload: &text(&record.subject),
        task: &text(&record.task),
        decision: &text(&record.decision),
        details: details
            .filter(|details| *details != "null")
            .unwrap_or_default(),
    });
}

fn take_bundled(
    line: &str,
    since: Option<Timestamp>,
    replay: &mut Replay<'_>,
) -> Result<(), serde_json::Error> {
    let record: Bundled = serde_json::from_str(line)?;
    let leaf: LeafOf = serde_json::from_str(&record.leaf)?;
    if !is_before(Timestamp::from_millisecond(leaf.at).ok(), since) {
        replay.take(Record {
            number: record.number,
            event: &leaf.event,
            workload: &leaf.subject,
            task: &leaf.task,
            decision: &leaf.decision,
            details: record.details.as_deref().unwrap_or_default(),
        });
    }
    Ok(())
}

fn is_before(at: Option<Timestamp>, since: Option<Timestamp>) -> bool {
    match (at, since) {
        (Some(at), Some(since)) => at < since,
        (_, _) => false,
    }
}
