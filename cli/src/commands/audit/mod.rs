//! `taskpass audit`: reads the audit log, proves what it says, and checks it.
//!
//! - [`records`]: `list` and `show`
//! - [`verify`]: `verify`, offline
//! - [`prove`], [`export`]: what others can check
//! - [`erase`]: takes details out
//! - [`signature`]: `checkpoint` and `key`

#[cfg(feature = "broker")]
mod erase;
#[cfg(feature = "broker")]
mod export;
#[cfg(feature = "broker")]
mod prove;
mod records;
#[cfg(feature = "broker")]
mod signature;
#[cfg(feature = "broker")]
mod verify;

use clap::Subcommand;

#[cfg(feature = "broker")]
pub(crate) use self::records::RecordId;

use crate::context::{Context, block_on};
use crate::exit::{self, Exit};
use crate::failure::Failure;

/// Reads, proves and checks the audit log
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lists audit records, newest first
    #[command(after_long_help = format!("{}\n\n{}", records::LIST_EXAMPLES, exit::CODES))]
    List(records::List),
    /// Shows one audit record: by number, or by the id that a refusal names
    #[command(after_long_help = format!("{}\n\n{}", records::SHOW_EXAMPLES, exit::CODES))]
    Show(records::Show),
    #[cfg(feature = "broker")]
    Verify(verify::Arguments),
    #[cfg(feature = "broker")]
    Prove(prove::Arguments),
    #[cfg(feature = "broker")]
    Export(export::Arguments),
    #[cfg(feature = "broker")]
    Erase(erase::Arguments),
    #[cfg(feature = "broker")]
    Checkpoint(signature::CheckpointArguments),
    #[cfg(feature = "broker")]
    Key(signature::KeyArguments),
}

/// Performs the command.
pub(crate) fn perform(command: Command, context: &Context) -> Result<Exit, Failure> {
    match command {
        Command::List(list) => block_on(list.perform(context)),
        Command::Show(show) => block_on(show.perform(context)),
        #[cfg(feature = "broker")]
        Command::Verify(arguments) => arguments.perform(context),
        #[cfg(feature = "broker")]
        Command::Prove(arguments) => block_on(arguments.perform(context)),
        #[cfg(feature = "broker")]
        Command::Export(arguments) => block_on(arguments.perform(context)),
        #[cfg(feature = "broker")]
        Command::Erase(arguments) => block_on(arguments.perform(context)),
        #[cfg(feature = "broker")]
        Command::Checkpoint(arguments) => block_on(arguments.perform(context)),
        #[cfg(feature = "broker")]
        Command::Key(arguments) => arguments.perform(context),
    }
}
