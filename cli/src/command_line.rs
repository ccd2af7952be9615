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
  taskpass run --task deploy-docs --param ref=refs/heads/main -- ./deploy.sh
  curl -H \"Authorization: Bearer $(taskpass token --task read-tickets)\" https://tickets.acme.example
  taskpass status
  taskpass audit list --job job_01k8m5v4x8e2rr9t6cz1j3q7yd

`taskpass help COMMAND` shows a command with examples, `taskpass help exit-codes` the exit codes.

`--output json` changes only the errors of `agent`, `broker`, `dev`, `demo` and `run`, and of what
writes a document as it is: `audit export`, `audit prove`, `completions` and `policy schema`.";

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

    /// The agent's socket; else `$TASKPASS_AGENT_SOCKET`, else `$XDG_RUNTIME_DIR/taskpass/agent.sock`, else
    /// `/run/taskpass/agent.sock`
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        help_heading = "Global options"
    )]
    pub(crate) agent_socket: Option<PathBuf>,

    /// The broker's administrative socket; else `$TASKPASS_ADMIN_SOCKET`, else `admin.sock` in the same places
    #[arg(
        long,
        global = true,
        value_name = "PATH",
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

    /// Every command with its path, the hidden ones too.
    fn all(command: &clap::Command, path: &str) -> Vec<(String, clap::Command)> {
        let path = format!("{path} {}", command.get_name());
        let below = command.get_subcommands().flat_map(|sub| all(sub, &path));
        let below: Vec<_> = below.collect();
        [vec![(path.clone(), command.clone())], below].concat()
    }

    #[test]
    fn no_line_of_the_examples_is_so_long_that_it_would_be_broken() {
        for (path, command) in all(&CommandLine::command(), "") {
            let help = command.get_after_long_help().map(ToString::to_string);
            let long = help.unwrap_or_default();
            let long: Vec<_> = long
                .lines()
                .filter(|line| line.chars().count() > 100)
                .collect();
            assert!(long.is_empty(), "{path}: {long:#?}");
        }
    }

    #[test]
    fn every_duration_in_the_help_and_in_the_documentation_can_be_read() {
        let mut texts = Vec::new();
        let mut options = Vec::new();
        for (_, command) in all(&CommandLine::command(), "") {
            for argument in command.get_arguments() {
                let names = argument.get_value_names().unwrap_or_default();
                if names.iter().any(|name| name.as_str() == "DURATION") {
                    options.extend(argument.get_long().map(|name| format!("--{name}")));
                }
            }
            texts.push(command.clone().render_long_help().to_string());
        }
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for page in std::fs::read_dir(root.join("docs")).unwrap() {
            texts.extend(std::fs::read_to_string(page.unwrap().path()));
        }
        let mut read = 0;
        for text in &texts {
            let words: Vec<&str> = text.split_whitespace().collect();
            for pair in words.windows(2) {
                // `--ttl (5 minutes unless …)` is prose.
                let value = pair[1].trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
                if options
                    .iter()
                    .any(|option| pair[0].ends_with(option.as_str()))
                    && value.starts_with(|c: char| c.is_ascii_digit())
                {
                    assert!(crate::durations::parse(value).is_ok(), "{pair:?}");
                    read += 1;
                }
            }
        }
        assert!(read >= 5, "{read}");
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
