//! `taskpass audit verify`: checks a log, an export or a proof with the public key alone.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::audit_log::report::Report;
use crate::audit_log::trusted::{Trusted, unreadable};
use crate::audit_log::{directory, export, proof};
use crate::context::Context;
use crate::exit::{CODES, Exit};
use crate::failure::Failure;

const LONG_ABOUT: &str = "\
Checks the audit log offline: a directory as the broker publishes it, a file of `audit export`, or a file of \
`audit prove`. Needs nothing but the log's public key (`audit key`), which must come from somewhere that \
whoever may have changed the log cannot write to.

Keep checkpoints elsewhere (`audit checkpoint`, or from the broker's log output) and name them with \
--checkpoint: only they show that the end was cut off, or that the whole log was written and signed again.

It names the record or the tile that is not as it was signed, and exits with 1.";

const EXAMPLES: &str = "\
Examples:
  taskpass audit verify /var/lib/taskpass/broker/audit-log --key audit.vkey
  taskpass audit verify /var/lib/taskpass/broker/audit-log --key audit.vkey \\
    --checkpoint /mnt/worm/monday
  taskpass audit verify audit-2026.jsonl --key taskpass.acme.example/audit+3f2a91c0+AYr…
  taskpass audit verify --proof record-4711.tlog-proof --key audit.vkey";

/// Records between two lines about the progress.
const STEP: u64 = 250_000;

/// The command line of `audit verify`.
#[derive(Debug, Args)]
#[command(
    about = "Checks a log, an export or a proof, offline",
    long_about = LONG_ABOUT,
    after_long_help = format!("{EXAMPLES}\n\n{CODES}")
)]
pub(crate) struct Arguments {
    /// The directory of a log, or a file of `audit export` or `audit prove`
    #[arg(value_name = "PATH", required_unless_present = "proof")]
    path: Option<PathBuf>,

    /// The log's public key, or a file that holds it; several when it was changed
    #[arg(long, value_name = "VKEY", required = true)]
    key: Vec<String>,

    /// A checkpoint that was kept elsewhere; any number of them
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,

    /// A file of `audit prove`
    #[arg(long, value_name = "FILE", conflicts_with = "path")]
    proof: Option<PathBuf>,
}

impl Arguments {
    /// Performs the command.
    pub(super) fn perform(self, context: &Context) -> Result<Exit, Failure> {
        let trusted = Trusted::read(&self.key, &self.checkpoint)?;
        let report = match (&self.proof, &self.path) {
            (Some(file), _) => proof::check(file, &trusted).map_err(|e| unreadable(file, &e))?,
            (None, Some(path)) => verify(path, &trusted, context)?,
            (None, None) => return Err(Failure::usage("name what to check")),
        };
        context.output.show(&report)?;
        Ok(report.exit())
    }
}

fn verify(path: &Path, trusted: &Trusted, context: &Context) -> Result<Report, Failure> {
    let progress = |done: u64, all: u64| {
        if done % STEP < 256 && done / STEP > 0 && is_step(done, all) {
            context.output.note(&format!("{done} of {all} records"));
        }
    };
    if path.is_dir() {
        return Ok(directory::verify(path, trusted, progress));
    }
    let read = |error| unreadable(path, &error);
    if proof::is_proof(path) {
        return proof::check(path, trusted).map_err(read);
    }
    export::verify(path, trusted, progress).map_err(read)
}

/// Whether to say how far it is: a directory is walked 256 records at a time, an export one at a time.
fn is_step(done: u64, all: u64) -> bool {
    all > STEP && (done.is_multiple_of(STEP) || done.is_multiple_of(256))
}
