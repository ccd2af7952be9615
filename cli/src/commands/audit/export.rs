//! `taskpass audit export`: records for auditors, with all that is needed to check them.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use data_encoding::HEXLOWER;
use taskpass_broker::domain::tlog::{Hash, leaf_hash};
use taskpass_proto::v1::export_audit_records_response::Record as WireRecord;
use taskpass_proto::v1::{ExportAuditRecordsRequest, GetAuditCheckpointRequest};

use crate::admin::{self, failed};
use crate::audit_log::export::{Header, Range, Record, write_line};
use crate::context::Context;
use crate::exit::{CODES, Exit};
use crate::failure::Failure;

const LONG_ABOUT: &str = "\
Writes records with their details, under a header with the signed checkpoint and the hashes of what lies \
before and after them. Whoever has the log's public key can check the file offline, also a part of the log.

What is not signed yet, a second at most, is not exported.";

const EXAMPLES: &str = "\
Examples:
  taskpass audit export --file audit.jsonl
  taskpass audit export --first 4000 --last 5000 --file audit-part.jsonl
  taskpass audit verify audit.jsonl --key audit.vkey";

/// The command line of `audit export`.
#[derive(Debug, Args)]
#[command(
    about = "Writes records for auditors, with their proof",
    long_about = LONG_ABOUT,
    after_long_help = format!("{EXAMPLES}\n\n{CODES}")
)]
pub(crate) struct Arguments {
    /// The first record
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    first: u64,

    /// The last record; else the last one that is signed
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    last: Option<u64>,

    /// Where to write it; else to standard output
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

impl Arguments {
    /// Performs the command.
    pub(super) async fn perform(self, context: &Context) -> Result<Exit, Failure> {
        let mut client = admin::connect(&context.admin_socket()).await?;
        let failed = failed("cannot export the audit log");
        let request = GetAuditCheckpointRequest {
            first: self.first,
            last: self.last.unwrap_or(0),
        };
        let signed = client
            .get_audit_checkpoint(request)
            .await
            .map_err(&failed)?;
        let signed = signed.into_inner();
        let range = Range {
            first: self.first,
            last: self.last.unwrap_or(signed.size),
        };
        let place = self.file.clone().unwrap_or_else(|| "-".into());
        let write_failed = |error: io::Error| written(&place, &error);
        let mut out: Box<dyn Write> = match &self.file {
            Some(path) => Box::new(BufWriter::new(File::create(path).map_err(write_failed)?)),
            None => Box::new(BufWriter::new(io::stdout())),
        };
        let (before, after) = (hashes(&signed.before), hashes(&signed.after));
        let header = Header::new(signed.checkpoint, range, &before, &after);
        write_line(&mut out, &header).map_err(write_failed)?;
        let mut position = range.first - 1;
        while position < range.last {
            let request = ExportAuditRecordsRequest {
                position,
                last: range.last,
            };
            let page = client
                .export_audit_records(request)
                .await
                .map_err(&failed)?;
            let records = page.into_inner().records;
            let Some(last) = records.last() else {
                let number = position + 1;
                return Err(Failure::new("cannot export the audit log")
                    .why(format!("record {number} is missing"))
                    .remedy(
                        "run `taskpass status`, and `taskpass audit verify` on the log's directory",
                    ));
            };
            position = last.number;
            for record in records {
                write_line(&mut out, &exported(record)).map_err(write_failed)?;
            }
        }
        out.flush().map_err(write_failed)?;
        if let Some(path) = &self.file {
            let Range { first, last } = range;
            let text = format!("wrote records {first} to {last} to `{}`", path.display());
            context.output.note(&text);
        }
        Ok(Exit::Fine)
    }
}

fn exported(record: WireRecord) -> Record {
    let is_there = !record.salt.is_empty();
    Record {
        number: record.number,
        hash: leaf_hash(record.leaf.as_bytes()).to_string(),
        leaf: record.leaf,
        salt: is_there.then(|| HEXLOWER.encode(&record.salt)),
        details: is_there.then_some(record.details),
    }
}

fn hashes(wire: &[Vec<u8>]) -> Vec<Hash> {
    let hashes = wire
        .iter()
        .filter_map(|hash| hash.as_slice().try_into().ok());
    hashes.map(Hash::new).collect()
}

/// A file that cannot be written.
pub(super) fn written(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("cannot write `{}`", path.display())).why(error)
}
