//! The commands, one a file.

#[cfg(feature = "agent")]
pub(crate) mod agent;
pub(crate) mod audit;
#[cfg(all(feature = "agent", feature = "broker"))]
pub(crate) mod bench;
#[cfg(feature = "broker")]
pub(crate) mod broker;
pub(crate) mod completions;
#[cfg(any(feature = "broker", feature = "agent"))]
mod configuration;
#[cfg(all(feature = "agent", feature = "broker"))]
pub(crate) mod demo;
#[cfg(all(feature = "agent", feature = "broker"))]
pub(crate) mod dev;
pub(crate) mod job;
pub(crate) mod key;
pub(crate) mod lease;
mod own_jobs;
mod pages;
#[cfg(feature = "broker")]
pub(crate) mod policy;
pub(crate) mod status;
#[cfg(feature = "broker")]
pub(crate) mod store;
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
        #[cfg(feature = "broker")]
        Command::Broker(arguments) => broker::perform(arguments, context),
        #[cfg(feature = "agent")]
        Command::Agent(arguments) => agent::perform(arguments, context),
        #[cfg(all(feature = "agent", feature = "broker"))]
        Command::Bench(arguments) => bench::perform(&arguments, context),
        #[cfg(all(feature = "agent", feature = "broker"))]
        Command::Demo(arguments) => demo::perform(&arguments, context),
        #[cfg(all(feature = "agent", feature = "broker"))]
        Command::DemoJob(arguments) => demo::perform_job(&arguments, context),
        #[cfg(all(feature = "agent", feature = "broker"))]
        Command::Dev(arguments) => dev::perform(arguments, context),
        Command::Run(arguments) => run::perform(arguments, context),
        Command::Token(arguments) => token::perform(&arguments, context),
        Command::Job(command) => job::perform(command, context),
        Command::Key(command) => key::perform(command, context),
        Command::Lease(command) => lease::perform(command, context),
        Command::Workload(command) => workload::perform(command, context),
        #[cfg(feature = "broker")]
        Command::Policy(command) => policy::perform(command, context),
        #[cfg(feature = "broker")]
        Command::Store(command) => store::perform(command, context),
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
