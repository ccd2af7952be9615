//! `taskpass bench`: what the broker costs on this machine.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::bench;
use crate::context::Context;
use crate::exit::{CODES, Exit};
use crate::failure::Failure;

const LONG_ABOUT: &str = "\
Measures a broker of its own in a temporary folder, beside the floors of this machine in the same run: an \
empty call over mutual TLS, a durable append, a signature. Build with --release, and leave the machine \
alone meanwhile; compare ratios, not times.";

const POLICY: &str = "\
Writes a policy of teams, tasks, grants, conditions and guardrails, always the same for the same numbers, and \
measures it beside one of 10 grants in the same run. Build with --release, and leave the machine alone \
meanwhile. Where something is promised of a figure, the bound stands beside it; it holds for the default size.";

/// The command line of `bench`.
#[derive(Debug, Args)]
#[command(
    about = "Measures what the broker costs on this machine",
    long_about = LONG_ABOUT,
    after_long_help = format!("Examples:\n  taskpass bench\n  taskpass bench --seconds 10 --output json\n  taskpass bench --audit-records 1000000\n  taskpass bench policy\n\n{CODES}"),
    args_conflicts_with_subcommands = true
)]
pub(crate) struct Arguments {
    /// How long each figure is measured
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,

    /// Measures how long a log of so many audit records takes to verify, and nothing else
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    audit_records: Option<u64>,

    #[command(subcommand)]
    what: Option<What>,
}

/// What is measured instead.
#[derive(Debug, Subcommand)]
enum What {
    /// Measures what a large policy costs: loading, checks, decisions, tests, replay, reloads
    #[command(long_about = POLICY, after_long_help = format!("Examples:\n  taskpass bench policy\n  taskpass bench policy --tasks 1000 --grants 5000 --output json\n  taskpass bench policy --into large/\n\n{CODES}"))]
    Policy(PolicyArguments),
}

/// The command line of `bench policy`.
#[derive(Debug, Args)]
struct PolicyArguments {
    /// How many tasks the policy has
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    tasks: u32,

    /// How many grants it has
    #[arg(long, value_name = "N", default_value_t = 50_000, value_parser = clap::value_parser!(u32).range(1..=500_000))]
    grants: u32,

    /// How long reloads and replay are measured
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,

    /// Keeps the policy in this directory
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
}

/// Performs the command.
pub(crate) fn perform(arguments: &Arguments, context: &Context) -> Result<Exit, Failure> {
    let built = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = built.map_err(|error| Failure::new("cannot start").why(error))?;
    let progress = |next: &str| drop(writeln!(std::io::stderr(), "measuring {next}"));
    let figures = match (&arguments.what, arguments.audit_records) {
        (Some(What::Policy(policy)), _) => {
            runtime.block_on(bench::policy::run(&policy.plan(), progress))
        }
        (None, Some(records)) => bench::audit::verifying(records, progress),
        (None, None) => runtime.block_on(bench::run(arguments.seconds, progress)),
    };
    let figures = figures.map_err(|error| Failure::new("there are no figures").why(error))?;
    context.output.show(&figures)?;
    Ok(Exit::Fine)
}

impl PolicyArguments {
    fn plan(&self) -> bench::policy::Plan {
        let number = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        bench::policy::Plan {
            tasks: number(self.tasks),
            grants: number(self.grants),
            each: Duration::from_secs(self.seconds),
            into: self.into.clone(),
        }
    }
}
