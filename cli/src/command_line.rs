//! The tree of commands, and the options that all of them have.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use jiff::Timestamp;

use crate::commands::{audit, completions, job, key, lease, status, token, version, workload};
use crate::exit;
use crate::output::{Colour, Format, Output};
use crate::run;

const LONG_ABOUT: &str = "\
A credential that lives exactly as long as the task that needs it.

A workload proves what it is with its SPIFFE X.509-SVID, says which task it is about to do, and gets \
credentials that are scoped to that task, live for minutes, and are taken back when the job ends, \
however it ends.";

const EXAMPLES: &str = "\
Examples:
  taskpass run --task deploy-docs --param ref=main -- ./deploy.sh
  curl -H \"Authorization: Bearer $(taskpass token --task read-tickets)\" https://tickets.acme.example
  taskpass status
  taskpass audit list --job job_01k8m5v4x8e2rr9t6cz1j3q7yd

`taskpass help COMMAND` shows a command with examples, `taskpass help exit-codes` the exit codes.";

/// Just-in-time credentials for tasks.
#[derive(Debug, Parser)]
#[command(
    name = "taskpass",
    version,
    about = "Just-in-time credentials: one task, for as long as it runs",
    long_about = LONG_ABOUT,
    after_long_help = EXAMPLES,
    max_term_width = 100,
    propagate_version = false,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(crate) struct CommandLine {
    /// What all commands have.
    #[command(flatten)]
    pub(crate) globals: Globals,
    /// Which command.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The options that all commands have.
#[derive(Debug, Args)]
pub(crate) struct Globals {
    /// `table` for people, `json` for programs (errors too)
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "FORMAT",
        default_value_t,
        hide_possible_values = true,
        help_heading = "Global options"
    )]
    output: Format,

    /// Colours: `auto`, `always` or `never`; `auto` respects `NO_COLOR`
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value_t,
        hide_possible_values = true,
        help_heading = "Global options"
    )]
    color: Colour,

    /// The agent's socket; else `$XDG_RUNTIME_DIR/taskpass/agent.sock`, else `/run/taskpass/agent.sock`
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        env = "TASKPASS_AGENT_SOCKET",
        hide_env_values = true,
        help_heading = "Global options"
    )]
    pub(crate) agent_socket: Option<PathBuf>,

    /// The broker's administrative socket; else `admin.sock` in the same places
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        env = "TASKPASS_ADMIN_SOCKET",
        hide_env_values = true,
        help_heading = "Global options"
    )]
    pub(crate) admin_socket: Option<PathBuf>,
}

/// The commands. What each is about stands with its arguments.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[cfg(feature = "broker")]
    Broker(crate::commands::broker::Arguments),
    #[cfg(feature = "agent")]
    Agent(crate::commands::agent::Arguments),
    #[cfg(all(feature = "agent", feature = "broker"))]
    Demo(crate::commands::demo::Arguments),
    /// Runs as the job of `taskpass demo`
    #[cfg(all(feature = "agent", feature = "broker"))]
    #[command(hide = true)]
    DemoJob(crate::commands::demo::JobArguments),
    #[cfg(all(feature = "agent", feature = "broker"))]
    Bench(crate::commands::bench::Arguments),
    #[cfg(all(feature = "agent", feature = "broker"))]
    Dev(crate::commands::dev::Arguments),
    Run(run::Arguments),
    Token(token::Arguments),
    #[command(subcommand)]
    Job(job::Command),
    #[command(subcommand)]
    Lease(lease::Command),
    #[command(subcommand)]
    Workload(workload::Command),
    #[command(subcommand)]
    Key(key::Command),
    #[cfg(feature = "broker")]
    #[command(subcommand)]
    Policy(crate::commands::policy::Command),
    #[cfg(feature = "broker")]
    #[command(subcommand)]
    Store(crate::commands::store::Command),
    Status(status::Arguments),
    #[command(subcommand)]
    Audit(audit::Command),
    Completions(completions::Arguments),
    Version(version::Arguments),
    /// Explains the exit codes
    #[command(hide = true, long_about = exit::EXPLANATION, disable_help_flag = true)]
    ExitCodes,
}

impl Globals {
    /// Where and how to write, with `now` for the present time.
    pub(crate) fn output(&self, now: Timestamp) -> Output {
        Output::new(self.output, self.color, now)
    }
}

/// Whether a command line that could not be read asks for JSON.
pub(crate) fn asks_for_json(arguments: &[String]) -> bool {
    arguments.iter().any(|argument| argument == "--output=json")
        || arguments
            .windows(2)
            .any(|pair| matches!(pair, [name, value] if name == "--output" && value == "json"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_tree_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn every_command_has_an_example_and_its_exit_codes() {
        fn check(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            if command.has_subcommands() {
                for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
                    check(sub, &path);
                }
                return;
            }
            let help = command.clone().render_long_help().to_string();
            assert!(help.contains("Examples:\n"), "{path}: {help}");
            assert!(help.contains("help exit-codes"), "{path}: {help}");
        }
        check(&CommandLine::command(), "");
    }

    #[test]
    fn json_is_recognised_in_a_command_line_that_is_wrong() {
        let table: [(&[&str], bool); 5] = [
            (&["taskpass", "--output", "json"], true),
            (&["taskpass", "--output=json", "jbo"], true),
            (&["taskpass", "--output", "table"], false),
            (&["taskpass", "json"], false),
            (&[], false),
        ];
        for (arguments, expected) in table {
            let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
            assert_eq!(asks_for_json(&arguments), expected, "{arguments:?}");
        }
    }
}
