//! `taskpass bench`: what the broker costs on this machine.

use std::io::Write;

use clap::Args;

use crate::bench;
use crate::context::Context;
use crate::exit::{CODES, Exit};
use crate::failure::Failure;

const LONG_ABOUT: &str = "\
Measures a broker of its own in a temporary folder, beside the floors of this machine in the same run: an \
empty call over mutual TLS, a durable append, a signature. Build with --release, and leave the machine \
alone meanwhile; compare ratios, not times.";

/// The command line of `bench`.
#[derive(Debug, Args)]
#[command(
    about = "Measures what the broker costs on this machine",
    long_about = LONG_ABOUT,
    after_long_help = format!("Examples:\n  taskpass bench\n  taskpass bench --seconds 10 --output json\n  taskpass bench --audit-records 1000000\n\n{CODES}")
)]
pub(crate) struct Arguments {
    /// How long each figure is measured
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,

    /// Measures how long a log of so many audit records takes to verify, and nothing else
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    audit_records: Option<u64>,
}

/// Performs the command.
pub(crate) fn perform(arguments: &Arguments, context: &Context) -> Result<Exit, Failure> {
    let built = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = built.map_err(|error| Failure::new("cannot start").why(error))?;
    let progress = |next: &str| drop(writeln!(std::io::stderr(), "measuring {next}"));
    let figures = match arguments.audit_records {
        Some(records) => bench::audit::verifying(records, progress),
        None => runtime.block_on(bench::run(arguments.seconds, progress)),
    };
    let figures = figures.map_err(|error| Failure::new("there are no figures").why(error))?;
    context.output.show(&figures)?;
    Ok(Exit::Fine)
}
