//! The log of the broker and the agent: one line an event, on standard error.

use std::io::{self, IsTerminal};

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::SubscriberBuilder;

use crate::failure::Failure;

/// What is logged, and how.
#[derive(Debug, Args)]
pub(crate) struct LogArguments {
    /// What to log: a level, or levels by module such as `info,taskpass_broker=debug`
    #[arg(
        long = "log",
        value_name = "FILTER",
        env = "TASKPASS_LOG",
        default_value = "info",
        hide_env_values = true
    )]
    filter: String,

    /// How to log: `text`, `json` (one document a line), or `auto`: text on a terminal, else JSON
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        default_value_t,
        hide_possible_values = true
    )]
    log_format: LogFormat,
}

/// How to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum LogFormat {
    /// Text on a terminal, else JSON.
    #[default]
    Auto,
    /// For people.
    Text,
    /// For programs.
    Json,
}

impl LogArguments {
    /// Starts logging.
    pub(crate) fn start(&self) -> Result<(), Failure> {
        let wrong = |error: &dyn std::fmt::Display| {
            Failure::usage(format!("`--log {}` cannot be used", self.filter))
                .why(error)
                .remedy("write a level (error, warn, info, debug, trace), or `info,module=debug`")
        };
        let filter = EnvFilter::builder()
            .parse(&self.filter)
            .map_err(|error| wrong(&error))?;
        let builder = SubscriberBuilder::default()
            .with_env_filter(filter)
            // It would say so on standard error, and a full disk behind that would be a panic.
            .log_internal_errors(false)
            .with_writer(io::stderr);
        let terminal = io::stderr().is_terminal();
        let started = if self.log_format.is_json(terminal) {
            builder.json().flatten_event(true).try_init()
        } else {
            builder.with_ansi(terminal).try_init()
        };
        started.map_err(|error| Failure::new("cannot start the log").why(error))
    }
}

impl LogFormat {
    fn is_json(self, terminal: bool) -> bool {
        match self {
            Self::Auto => !terminal,
            Self::Text => false,
            Self::Json => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_get_text_and_programs_get_json() {
        let table = [
            (LogFormat::Auto, true, false),
            (LogFormat::Auto, false, true),
            (LogFormat::Text, false, false),
            (LogFormat::Json, true, true),
        ];
        for (format, terminal, json) in table {
            assert_eq!(format.is_json(terminal), json, "{format:?} {terminal}");
        }
    }
}
