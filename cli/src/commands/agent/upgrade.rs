//! `taskpass agent upgrade`: starts the agent anew while jobs go on.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use taskpass_agent::config::check;
use taskpass_agent::hand_over::{Upgraded, ask_to_upgrade};

use crate::commands::configuration::Configuration;
use crate::context::{Context, block_on};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::page::GOOD;
use crate::output::{Page, View};

const LONG_ABOUT: &str = "\
Has the agent that runs start its program anew, by the name that it was started with, and hand everything over \
to it: jobs, credentials, the socket, and the connections of local callers. No job ends, whatever it is tied \
to. If the new agent cannot start or fails before it has everything, the old one goes on.

Put the new program in the place of the old one first (by renaming: a program that runs cannot be written \
to), and change the configuration if need be. This has to be run as the agent's own user, or as root. \
`systemctl reload taskpass-agent` does it with the unit in examples/systemd.";

const EXAMPLES: &str = "\
Examples:
  taskpass agent upgrade
  taskpass agent upgrade --config /etc/taskpass/agent.toml --output json
  systemctl reload taskpass-agent

Exit codes:
  0 the new agent has taken over; 1 it has not, and the old one goes on; 2 the configuration has
  errors, and nothing was tried. More: `taskpass help exit-codes`";

/// The command line of `agent upgrade`.
#[derive(Debug, Args)]
#[command(
    about = "Starts the agent anew while jobs go on",
    long_about = LONG_ABOUT,
    after_long_help = EXAMPLES
)]
pub(super) struct Arguments {
    /// The configuration [default: /etc/taskpass/agent.toml]
    #[arg(
        long,
        value_name = "FILE",
        env = "TASKPASS_CONFIG",
        hide_env_values = true
    )]
    config: Option<PathBuf>,
}

/// Performs the command.
pub(super) fn perform(arguments: Arguments, context: &Context) -> Result<Exit, Failure> {
    const WHAT: &str = "the agent was not upgraded";
    let (path, config) = super::load(arguments.config)?;
    let problems = block_on(async { Ok(check(&config).await) })?;
    if !problems.is_empty() {
        let checked = Configuration::new(path, problems);
        context.output.show(&checked)?;
        return Ok(checked.exit());
    }
    match ask_to_upgrade(&config.state) {
        Ok(Some(upgraded)) => {
            context.output.show(&Report(upgraded))?;
            Ok(Exit::Fine)
        }
        Ok(None) => {
            let why = format!("no agent runs with the state `{}`", config.state.display());
            let failure = Failure::new(WHAT).why(why);
            Err(failure.remedy("start it: `taskpass agent`, or `systemctl start taskpass-agent`"))
        }
        Err(error) => {
            let failure = Failure::new(WHAT).why(error);
            Err(failure.remedy("the agent that runs goes on; its log says more, and only its own user or root may ask"))
        }
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Report(Upgraded);

impl View for Report {
    fn text(&self, page: &mut Page) {
        let Upgraded {
            from_pid,
            from_version,
            pid,
            version,
        } = &self.0;
        let text = format!(
            "the agent is upgraded: version {from_version} (pid {from_pid}) has handed over to version \
             {version} (pid {pid})"
        );
        page.styled(GOOD, &text);
    }
}
