//! `taskpass audit erase`: takes details out of the audit log; every proof still holds.

use clap::{ArgGroup, Args};
use jiff::Timestamp;
use serde::Serialize;
use taskpass_proto::ids::JobId;
use taskpass_proto::time::timestamp_from_millis;
use taskpass_proto::v1::EraseAuditDetailsRequest;
use taskpass_proto::v1::erase_audit_details_request::{Numbers, Records};

use crate::admin::{self, failed};
use crate::context::Context;
use crate::exit::{CODES, Exit};
use crate::failure::Failure;
use crate::output::{Page, View};
use crate::timestamps;

const LONG_ABOUT: &str = "\
Erases the details of records, with the salt that ties them to the log, for good. What remains says when, \
what, which workload, task, job and lease, and how it was decided; proofs, exports and checkpoints still \
hold. That details were erased is recorded itself.";

const EXAMPLES: &str = "\
Examples:
  taskpass audit erase --number 4711 --note 'request of 12 May'
  taskpass audit erase --job job_01k8m5v4x8e2rr9t6cz1j3q7yd --note 'case 17'
  taskpass audit erase --before 2026-01-01 --note 'yearly'";

/// The command line of `audit erase`.
#[derive(Debug, Args)]
#[command(
    about = "Erases details; proofs still hold",
    long_about = LONG_ABOUT,
    after_long_help = format!("{EXAMPLES}\n\n{CODES}"),
    group = ArgGroup::new("records").required(true).args(["number", "job", "before"])
)]
pub(crate) struct Arguments {
    /// The record's number; any number of them
    #[arg(long, value_name = "NUMBER")]
    number: Vec<u64>,

    /// Every record of this job
    #[arg(long, value_name = "JOB")]
    job: Option<JobId>,

    /// Every record from before this time, for instance 2026-01-01
    #[arg(long, value_name = "TIME", value_parser = timestamps::parse)]
    before: Option<Timestamp>,

    /// Why; it is recorded
    #[arg(long, value_name = "TEXT")]
    note: String,
}

/// What was erased.
#[derive(Debug, Serialize)]
struct Erased {
    erased: u64,
}

impl Arguments {
    /// Performs the command.
    pub(super) async fn perform(self, context: &Context) -> Result<Exit, Failure> {
        let records = match (self.job, self.before) {
            (Some(job), _) => Records::JobId(job.to_string()),
            (None, Some(time)) => {
                let millis = u64::try_from(time.as_millisecond()).unwrap_or(0);
                Records::Before(timestamp_from_millis(millis))
            }
            (None, None) => Records::Numbers(Numbers {
                numbers: self.number,
            }),
        };
        let mut client = admin::connect(&context.admin_socket()).await?;
        let request = EraseAuditDetailsRequest {
            records: Some(records),
            note: self.note,
        };
        let erased = client
            .erase_audit_details(request)
            .await
            .map_err(failed("cannot erase details"))?
            .into_inner()
            .erased;
        context.output.show(&Erased { erased })?;
        Ok(Exit::Fine)
    }
}

impl View for Erased {
    fn text(&self, page: &mut Page) {
        page.line(&match self.erased {
            0 => "no record had details to erase".to_owned(),
            1 => "the details of 1 record were erased".to_owned(),
            erased => format!("the details of {erased} records were erased"),
        });
    }
}
