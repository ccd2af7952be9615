//! `taskpass demo`: the main job, for real.

use clap::Args;

use crate::context::Context;
use crate::demo::{self, Options};
use crate::exit::Exit;
use crate::failure::Failure;

const LONG_ABOUT: &str = "\
Shows the main job for real, in about ten seconds: a broker, two agents and their jobs run as \
processes of their own in a temporary folder, on free ports of the loopback interface, with a \
certificate authority of their own.

It succeeds only if everything that it tells has happened.";

const EXAMPLES: &str = "\
Examples:
  taskpass demo
  taskpass demo --verbose     with what the processes log
  taskpass demo --keep        leaves the folder with the store, the configurations and the logs

Exit codes:
  0 all of it happened; 1 it did not. More: `taskpass help exit-codes`";

/// The command line of `demo`.
#[derive(Debug, Args)]
#[command(
    about = "Shows the main job for real: a token that works while its job runs, and not after",
    long_about = LONG_ABOUT,
    after_long_help = EXAMPLES
)]
pub(crate) struct Arguments {
    /// Shows what the processes log
    #[arg(long)]
    verbose: bool,

    /// Leaves the folder in place
    #[arg(long)]
    keep: bool,
}

/// The command line of the demo's job.
#[derive(Debug, Args)]
pub(crate) struct JobArguments {
    /// Where the demo's resource server listens
    #[arg(long)]
    server: String,
    /// The credential's file, inside the credentials directory
    #[arg(long, default_value = "docs-api")]
    credential: String,
}

/// Performs the command.
pub(crate) fn perform(arguments: &Arguments, _: &Context) -> Result<Exit, Failure> {
    let options = Options {
        verbose: arguments.verbose,
        keep: arguments.keep,
    };
    let happened = runtime()?.block_on(demo::run(options));
    match happened {
        Ok(true) => Ok(Exit::Fine),
        Ok(false) => Ok(Exit::Negative),
        Err(error) => Err(Failure::new("the demo cannot run").why(error)),
    }
}

/// Runs as the demo's job.
pub(crate) fn perform_job(arguments: &JobArguments, context: &Context) -> Result<Exit, Failure> {
    let directory = context.environment.directory("TASKPASS_CREDENTIALS_DIR");
    let directory =
        directory.ok_or_else(|| Failure::new("this runs inside `taskpass demo` only"))?;
    let credential = directory.join(&arguments.credential);
    let run = demo::job::run(&arguments.server, &credential);
    match runtime()?.block_on(run) {
        Ok(()) => Ok(Exit::Fine),
        Err(error) => Err(Failure::new("the demo's job failed").why(error)),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let built = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    built.map_err(|error| Failure::new("cannot start").why(error))
}
