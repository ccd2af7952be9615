//! `taskpass agent`: runs the agent of a node.
//!
//! - [`upgrade`]: starts it anew while jobs go on

mod upgrade;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};
use taskpass_agent::config::check;
use taskpass_agent::hand_over::Relaunch;
use taskpass_agent::{AgentConfig, Role};

use crate::commands::configuration::{self, Configuration};
use crate::context::{Context, block_on};
use crate::daemon;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::log::LogArguments;
use crate::service_manager::ServiceManager;

const TAKE_OVER: &str = "--take-over";

const LONG_ABOUT: &str = "\
Runs the agent of a node: finds out which workload a local caller is, gets credentials for its jobs, \
renews them, and takes them back when the job ends.

It logs to standard error, one line an event, and runs until SIGTERM or SIGINT. A stop closes every job: \
nobody would renew what they hold. `taskpass agent upgrade` puts another program in its place while they go on.";

const EXAMPLES: &str = "\
Examples:
  taskpass agent
  taskpass agent --config /etc/taskpass/agent.toml --log debug
  taskpass agent --check-config && systemctl reload taskpass-agent
  taskpass agent --take-over

Exit codes:
  0 stopped as asked, handed over, or the configuration is good; 1 failed; 2 the configuration has
  errors; 128+n a second signal n did not wait for the end. More: `taskpass help exit-codes`";

/// The command line of `agent`.
#[derive(Debug, Args)]
#[command(
    about = "Runs the agent of a node",
    long_about = LONG_ABOUT,
    after_long_help = EXAMPLES,
    args_conflicts_with_subcommands = true
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,

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

    /// Takes over the jobs, the socket and the connections of the agent that runs with the same state, which
    /// then exits; starts as usual where there is none
    #[arg(long, conflicts_with = "check_config")]
    take_over: bool,

    #[command(flatten)]
    log: LogArguments,
}

/// What else can be done with an agent.
#[derive(Debug, Subcommand)]
enum Action {
    Upgrade(upgrade::Arguments),
}

/// Performs the command.
pub(crate) fn perform(arguments: Arguments, context: &Context) -> Result<Exit, Failure> {
    if let Some(Action::Upgrade(arguments)) = arguments.action {
        return upgrade::perform(arguments, context);
    }
    let (path, config) = load(arguments.config)?;
    if arguments.check_config {
        let checked = Configuration::new(path, block_on(async { Ok(check(&config).await) })?);
        context.output.show(&checked)?;
        return Ok(checked.exit());
    }
    arguments.log.start()?;
    let manager = Arc::new(ServiceManager::of(&context.environment));
    let role = Role {
        takes_over: arguments.take_over,
        relaunch: relaunch(std::env::args_os(), Arc::clone(&manager)),
    };
    daemon::run("the agent", &manager, |shutdown, ready| {
        taskpass_agent::serve_as(role, config, shutdown, ready)
    })
    .map_err(|failure| failure.remedy("`taskpass agent --check-config` looks at all that it needs"))
}

fn load(path: Option<PathBuf>) -> Result<(PathBuf, AgentConfig), Failure> {
    let path = path.unwrap_or_else(|| "/etc/taskpass/agent.toml".into());
    let config =
        AgentConfig::load(&path).map_err(|error| configuration::unusable(&path, &error))?;
    Ok((path, config))
}

/// How to start the agent anew: as this process was started, by the name that it was given, which may be that
/// of a newer program by then.
fn relaunch(
    mut command_line: impl Iterator<Item = OsString>,
    manager: Arc<ServiceManager>,
) -> Option<Relaunch> {
    let program = command_line.next()?;
    let mut arguments: Vec<OsString> = command_line.collect();
    if !arguments.iter().any(|argument| argument == TAKE_OVER) {
        arguments.push(TAKE_OVER.into());
    }
    Some(Relaunch {
        program,
        arguments,
        announce: Arc::new(move |pid| manager.say(&format!("MAINPID={pid}"))),
    })
}
