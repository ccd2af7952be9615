//! `taskpass audit prove`: one record with its proof, in a file of its own.

use std::path::PathBuf;

use clap::Args;
use taskpass_proto::v1::ProveAuditRecordRequest;
use taskpass_proto::v1::prove_audit_record_request::Key;

use super::export::written;
use super::records::RecordId;
use crate::admin::{self, failed};
use crate::context::Context;
use crate::exit::{CODES, Exit};
use crate::failure::Failure;

const LONG_ABOUT: &str = "\
Writes one record with everything that is needed to check it: the record, its details as far as they are \
still there, the proof that it is in the log, and the signed checkpoint. The format is C2SP tlog-proof; the \
extra data is JSON with the leaf, the salt and the details.";

const EXAMPLES: &str = "\
Examples:
  taskpass audit prove 4711 > record-4711.tlog-proof
  taskpass audit prove dec_01k8m5v4x8e2rr9t6cz1j3q7yd --file denied.tlog-proof
  taskpass audit verify --proof denied.tlog-proof --key audit.vkey";

/// The command line of `audit prove`.
#[derive(Debug, Args)]
#[command(
    about = "Writes one record with its proof",
    long_about = LONG_ABOUT,
    after_long_help = format!("{EXAMPLES}\n\n{CODES}")
)]
pub(crate) struct Arguments {
    /// The record's number, or the id that a refusal names
    #[arg(value_name = "ID")]
    id: RecordId,

    /// Where to write it; else to standard output
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

impl Arguments {
    /// Performs the command.
    pub(super) async fn perform(self, context: &Context) -> Result<Exit, Failure> {
        let mut client = admin::connect(&context.admin_socket()).await?;
        let key = match self.id {
            RecordId::Number(number) => Key::Number(number),
            RecordId::Decision(id) => Key::DecisionId(id),
        };
        let proven = client
            .prove_audit_record(ProveAuditRecordRequest { key: Some(key) })
            .await
            .map_err(failed("cannot prove the audit record"))?
            .into_inner();
        match self.file {
            Some(path) => {
                let done = std::fs::write(&path, proven.proof);
                done.map_err(|error| written(&path, &error))?;
                let number = proven.number;
                let text = format!("wrote record {number} to `{}`", path.display());
                context.output.note(&text);
            }
            None => context.output.write(&proven.proof)?,
        }
        Ok(Exit::Fine)
    }
}
