//! The commands, one a file.

#[cfg(feature = "agent")]
pub(crate) mod agent;
pub(crate) mod audit;
pub(crate) mod completions;
#[cfg(feature = "agent")]
mod configuration;
pub(crate) mod job;
pub(crate) mod lease;
mod own_jobs;
mod pages;
pub(crate) mod status;
pub(crate) mod token;
pub(crate) mod version;
pub(crate) mod workload;

use crate::command_line::Command;
use crate::context::Context;
use crate::exit::{self, Exit};
use crate::failure::Failure;
use crate::run;

/// Performs a command to its end.
pub(crate) fn perform(command: Command, context: &Context) -> Result<Exit, Failure> {
    match command {
        #[cfg(feature = "agent")]
        Command::Agent(arguments) => agent::perform(arguments, context),
        Command::Run(arguments) => run::perform(arguments, context),
        Command::Token(arguments) => token::perform(&arguments, context),
        Command::Job(command) => job::perform(command, context),
        Command::Lease(command) => lease::perform(command, context),
        Command::Workload(command) => workload::perform(command, context),
        Command::Status(arguments) => status::perform(&arguments, context),
        Command::Audit(command) => audit::perform(command, context),
        Command::Completions(arguments) => completions::perform(&arguments, context),
        Command::Version(arguments) => version::perform(&arguments, context),
        Command::ExitCodes => {
            context.output.write(&format!("{}\n", exit::EXPLANATION))?;
            Ok(Exit::Fine)
        }
    }
}
