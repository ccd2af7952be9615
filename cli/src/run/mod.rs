//! `taskpass run`: a command with credentials that are taken back when it ends.
//!
//! - [`arguments`]: the command line
//! - [`standing_keys`]: what the environment should not hold (pure)
//! - [`opening`]: opens the job, and waits for the broker where that was asked for
//! - [`directory`]: the credential files, on memory-backed storage
//! - [`kept`]: which of them are worth keeping, and until when (pure)
//! - [`signals`]: which signals are passed on to the command
//! - [`watch`]: follows the job's changes
//! - [`supervisor`]: starts the command, stays beside it, and cleans up after it

mod arguments;
mod directory;
mod kept;
mod opening;
mod signals;
mod standing_keys;
mod supervisor;
mod watch;

pub(crate) use arguments::Arguments;

use crate::context::{Context, block_on};
use crate::exit::Exit;
use crate::failure::Failure;

/// Performs the command.
pub(crate) fn perform(arguments: Arguments, context: &Context) -> Result<Exit, Failure> {
    block_on(async { supervisor::run(arguments, context).await }).map_err(Failure::for_run)
}
