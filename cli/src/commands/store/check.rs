//! `taskpass store check`: whether a store or a backup is sound, and what it holds.

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;
use taskpass_broker::adapters::store::sqlite::{self, StoreReport};

use super::must_be_there;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Page, View};

/// The command line of `store check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The store's file, or a backup; a broker may have it open
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// What is shown of a store.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Shown(pub(super) StoreReport);

impl Check {
    pub(super) fn perform(self, context: &Context) -> Result<Exit, Failure> {
        must_be_there(&self.file, "the store cannot be read")?;
        let report = sqlite::check(&self.file)
            .map_err(|error| Failure::new("the store cannot be read").why(error))?;
        let is_sound = report.damage.is_empty();
        context.output.show(&Shown(report))?;
        Ok(if is_sound { Exit::Fine } else { Exit::Negative })
    }
}

impl View for Shown {
    fn text(&self, page: &mut Page) {
        let report = &self.0;
        if report.damage.is_empty() {
            page.line("the store is sound");
        } else {
            page.line("the store is DAMAGED; restore the newest backup that is sound:");
            report
                .damage
                .iter()
                .for_each(|found| page.line(&format!("  {found}")));
        }
        page.gap();
        let taken_at = report.backup_taken_at.map(|at| {
            let at = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
            page.moment(Timestamp::from_millisecond(at).ok())
        });
        page.facts([
            ("file", report.path.display().to_string()),
            ("bytes", report.bytes.to_string()),
            ("schema", report.schema.to_string()),
            ("issuer", report.issuer.clone()),
            ("SPIFFE ID", report.spiffe_id.clone()),
            ("audit origin", report.audit_origin.clone()),
            ("epoch", report.epoch.clone()),
            ("backup taken at", taken_at.unwrap_or_default()),
            ("last audit record", report.last_record.to_string()),
        ]);
        page.gap();
        let counts = report.counts.iter();
        let rows = counts.map(|(what, count)| [(*what).to_owned(), count.to_string()]);
        page.table(["WHAT", "COUNT"], rows.collect());
        if report.last_record < report.records_by_mark {
            page.gap();
            page.line(&format!(
                "an old copy: its audit log had reached record {}; the next start ends every open job",
                report.records_by_mark
            ));
        }
    }
}
