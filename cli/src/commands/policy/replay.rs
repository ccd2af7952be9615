//! `taskpass policy replay`: what requests of the past would get from a proposed policy.

mod records;
mod view;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use taskpass_broker::domain::policy::tools::replay::Replay;

use super::loaded::load;
use crate::context::{Context, block_on};
use crate::durations;
use crate::exit::Exit;
use crate::failure::Failure;
use view::Replayed;

pub(super) const EXAMPLES: &str = "\
Examples:
  taskpass policy replay --against policy/ --since 7d
  taskpass audit export --file records.jsonl
  taskpass policy replay --against policy/ --from records.jsonl --exit-code
  taskpass policy replay --against policy/ --output json |
    jq '.groups[] | select(.kind == \"newly_denied\")'

Exit codes:
  0 replayed; 1 with --exit-code: something would come out differently; 2 a file has a mistake
  More: `taskpass help exit-codes`";

/// The command line of `policy replay`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The directory of the proposed policy
    #[arg(long, value_name = "DIR")]
    against: PathBuf,

    /// The installation's facts [default: `installation.toml` beside DIR]
    #[arg(long, value_name = "FILE")]
    installation: Option<PathBuf>,

    /// Only decisions of this last while, for instance `7d`
    #[arg(long, value_name = "DURATION", value_parser = durations::parse)]
    since: Option<Duration>,

    /// Reads the records from a file: what `audit export` or `audit list --output json` writes, or one record a
    /// line
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,

    /// Exits with 1 when something would come out differently
    #[arg(long)]
    exit_code: bool,
}

/// Performs the command.
pub(super) fn perform(arguments: &Arguments, context: &Context) -> Result<Exit, Failure> {
    let loaded = load(&arguments.against, arguments.installation.as_deref())?;
    let mut replay = Replay::new(&loaded.policy);
    let since = arguments
        .since
        .map(|back| before(context.output.now(), back));
    match &arguments.from {
        Some(path) => records::of_file(path, since, &mut replay)?,
        None => block_on(records::of_broker(since, &mut replay, context))?,
    }
    let replayed = Replayed::new(&loaded.policy, replay.finish());
    context.output.show(&replayed)?;
    if arguments.exit_code && replayed.is_different() {
        Ok(Exit::Negative)
    } else {
        Ok(Exit::Fine)
    }
}

/// The time so long before.
fn before(now: Timestamp, back: Duration) -> Timestamp {
    now.checked_sub(back).unwrap_or(Timestamp::MIN)
}
