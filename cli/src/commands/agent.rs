//! `taskpass agent`: runs the agent of a node.

use std::path::PathBuf;

use clap::Args;
use taskpass_agent::AgentConfig;
use taskpass_agent::config::check;
use tokio::sync::oneshot;

use crate::commands::configuration::{self, Configuration};
use crate::context::Context;
use crate::daemon;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::log::LogArguments;

const LONG_ABOUT: &str = "\
Runs the agent of a node: finds out which workload a local caller is, gets credentials for its jobs, \
renews them, and takes them back when the job ends.

It logs to standard error, one line an event, and runs until SIGTERM or SIGINT.";

const EXAMPLES: &str = "\
Examples:
  taskpass agent
  taskpass agent --config /etc/taskpass/agent.toml --log debug
  taskpass agent --check-config && systemctl restart taskpass-agent

Exit codes:
  0 stopped as asked, or the configuration is good; 1 failed; 2 the configuration has errors;
  128+n a second signal n did not wait for the end. More: `taskpass help exit-codes`";

/// The command line of `agent`.
#[derive(Debug, Args)]
#[command(about = "Runs the agent of a node", long_about = LONG_ABOUT, after_long_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The configuration [default: /etc/taskpass/agent.toml]
    #[arg(
        long,
        value_name = "FILE",
        env = "TASKPASS_CONFIG",
        hide_env_values = true
    )]
    config: Option<PathBuf>,

    /// Checks the configuration and everything that it names, changes nothing, and exits
    #[arg(long)]
    check_config: bool,

    #[command(flatten)]
    log: LogArguments,
}

/// Performs the command.
pub(crate) fn perform(arguments: Arguments, context: &Context) -> Result<Exit, Failure> {
    let path = arguments
        .config
        .unwrap_or_else(|| "/etc/taskpass/agent.toml".into());
    let config =
        AgentConfig::load(&path).map_err(|error| configuration::unusable(&path, &error))?;
    if arguments.check_config {
        let checked = Configuration::new(path, check(&config));
        context.output.show(&checked)?;
        return Ok(checked.exit());
    }
    arguments.log.start()?;
    daemon::run("the agent", |shutdown| {
        // It says in its log that it serves; nobody else waits for that.
        let (ready, _) = oneshot::channel();
        taskpass_agent::serve(config, shutdown, ready)
    })
    .map_err(|failure| failure.remedy("`taskpass agent --check-config` looks at all that it needs"))
}
