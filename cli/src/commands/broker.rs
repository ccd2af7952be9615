//! `taskpass broker`: runs a broker.

use std::path::PathBuf;

use clap::Args;
use taskpass_broker::app::check::check;
use taskpass_broker::config::BrokerConfig;

use crate::commands::configuration::{self, Configuration};
use crate::context::{Context, block_on};
use crate::daemon;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::log::LogArguments;
use crate::service_manager::ServiceManager;

const LONG_ABOUT: &str = "\
Runs a broker: decides by policy, issues task-scoped credentials, and takes them back.

It logs to standard error, one line an event, and runs until SIGTERM or SIGINT. SIGHUP reads the policy \
again; a changed file does too. A policy with errors never replaces a good one.";

const EXAMPLES: &str = "\
Examples:
  taskpass broker
  taskpass broker --config /etc/taskpass/broker.toml --log debug
  taskpass broker --check-config && systemctl restart taskpass-broker

Exit codes:
  0 stopped as asked, or the configuration is good; 1 failed; 2 the configuration has errors;
  128+n a second signal n did not wait for the end. More: `taskpass help exit-codes`";

/// The command line of `broker`.
#[derive(Debug, Args)]
#[command(about = "Runs a broker", long_about = LONG_ABOUT, after_long_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The configuration [default: /etc/taskpass/broker.toml]
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
        .unwrap_or_else(|| "/etc/taskpass/broker.toml".into());
    let config =
        BrokerConfig::load(&path).map_err(|error| configuration::unusable(&path, &error))?;
    if arguments.check_config {
        let checked = Configuration::new(path, block_on(async { Ok(check(&config).await) })?);
        context.output.show(&checked)?;
        return Ok(checked.exit());
    }
    arguments.log.start()?;
    let manager = ServiceManager::of(&context.environment);
    daemon::run("the broker", &manager, |shutdown, ready| {
        taskpass_broker::serve(config, shutdown, ready)
    })
    .map_err(|failure| {
        failure.remedy("`taskpass broker --check-config` looks at all that it needs")
    })
}
