//! `taskpass store restore`: a backup in the place of the store.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use taskpass_broker::adapters::store::sqlite;
use taskpass_broker::domain::time::UnixMillis;

use super::check::Shown;
use super::must_be_there;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Page, View};

/// The command line of `store restore`.
#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The backup; it stays as it is
    #[arg(value_name = "BACKUP")]
    backup: PathBuf,

    /// The store's file: `store.path` of `broker.toml`
    #[arg(long, value_name = "FILE")]
    into: PathBuf,
}

#[derive(Debug, Serialize)]
struct Done {
    store: PathBuf,
    before: Option<PathBuf>,
    backup: Shown,
}

impl Restore {
    pub(super) fn perform(self, context: &Context) -> Result<Exit, Failure> {
        must_be_there(&self.backup, "the backup was not restored")?;
        let now = u64::try_from(context.output.now().as_millisecond()).unwrap_or_default();
        let replaced = sqlite::restore(&self.backup, &self.into, UnixMillis::new(now))
            .map_err(|error| Failure::new("the backup was not restored").why(error))?;
        context.output.show(&Done {
            store: self.into,
            before: replaced.before,
            backup: Shown(replaced.backup),
        })?;
        Ok(Exit::Fine)
    }
}

impl View for Done {
    fn text(&self, page: &mut Page) {
        page.line(&format!(
            "the backup is in place as `{}`",
            self.store.display()
        ));
        if let Some(before) = &self.before {
            page.line(&format!("the store of before is `{}`", before.display()));
        }
        let open = self.backup.0.counts.get("open jobs").copied().unwrap_or(0);
        page.line(&format!(
            "the next start of the broker ends the {open} jobs that are open in it, and begins a new epoch"
        ));
        page.line("bans and retirements of keys that are newer than the backup: repeat them");
    }
}
