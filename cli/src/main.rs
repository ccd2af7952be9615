//! The one binary, `taskpass`.
//!
//! - [`command_line`]: the tree of commands and the options that all of them have
//! - [`commands`]: one command a file; [`run`], the one that needs more
//! - [`request`]: what a job is asked for on the command line
//! - [`local`]: the agent's local interface, as a client; [`admin`]: the broker's administration
//! - [`sockets`], [`environment`], [`durations`], [`timestamps`], [`events`]: what commands are told and where
//!   they look
//! - [`demo`], [`dev`], [`mod@bench`]: the commands that set up an installation of their own, on a [`stage`]
//! - [`output`], [`failure`], [`remedies`], [`revocability`], [`exit`]: what people and programs get to see

mod admin;
#[cfg(feature = "broker")]
mod audit_log;
#[cfg(all(feature = "agent", feature = "broker"))]
mod bench;
mod command_line;
mod commands;
mod context;
#[cfg(any(feature = "broker", feature = "agent"))]
mod daemon;
#[cfg(all(feature = "agent", feature = "broker"))]
mod demo;
#[cfg(all(feature = "agent", feature = "broker"))]
mod dev;
mod durations;
mod environment;
mod events;
mod exit;
mod failure;
mod local;
#[cfg(any(feature = "broker", feature = "agent"))]
mod log;
mod output;
mod remedies;
mod request;
mod revocability;
mod run;
#[cfg(any(feature = "broker", feature = "agent"))]
mod service_manager;
mod sockets;
#[cfg(all(feature = "agent", feature = "broker"))]
mod stage;
mod timestamps;

use std::process::ExitCode;

use clap::Parser;
use jiff::Timestamp;

use command_line::CommandLine;
use context::Context;
use environment::Environment;
use exit::Exit;
use output::{Colour, Format, Output};

fn main() -> ExitCode {
    let command_line = match CommandLine::try_parse() {
        Ok(command_line) => command_line,
        Err(error) => return refuse(&error).into(),
    };
    let output = command_line.globals.output(Timestamp::now());
    let context = Context::new(
        &command_line.globals,
        output,
        Environment::of_this_process(),
    );
    match commands::perform(command_line.command, &context) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            output.fail(&failure);
            failure.exit_code().into()
        }
    }
}

/// Reports a wrong command line, or shows the help that was asked for.
fn refuse(error: &clap::Error) -> Exit {
    if !error.use_stderr() {
        // A reader that has gone has seen enough.
        let _ = error.print();
        return Exit::Fine;
    }
    // The command line could not be read, so what it says of the output is looked for by hand.
    let arguments: Vec<_> = std::env::args()
        .take_while(|argument| argument != "--")
        .collect();
    if command_line::asks_for_json(&arguments) {
        let text = error.to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text).trim_end();
        Output::new(Format::Json, Colour::Never, Timestamp::now())
            .fail(&failure::Failure::usage(text));
    } else {
        let _ = error.print();
    }
    Exit::Usage
}
