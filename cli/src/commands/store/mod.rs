//! `taskpass store`: backs up, checks, and restores the broker's store.

mod backup;
mod check;
mod restore;

use std::io;
use std::path::Path;

use clap::Subcommand;

use crate::context::Context;
use crate::exit::{CODES, Exit};
use crate::failure::Failure;

const BACKUP_EXAMPLES: &str = "\
Examples:
  taskpass store backup /var/lib/taskpass/backups/taskpass-2026-05-01.db
  taskpass store backup monday.db --output json";

const CHECK_EXAMPLES: &str = "\
Examples:
  taskpass store check /var/lib/taskpass/broker/taskpass.db
  taskpass store check /var/lib/taskpass/backups/taskpass-2026-05-01.db --output json";

const RESTORE_EXAMPLES: &str = "\
Examples:
  systemctl stop taskpass-broker
  taskpass store restore /var/lib/taskpass/backups/taskpass-2026-05-01.db \\
    --into /var/lib/taskpass/broker/taskpass.db
  systemctl start taskpass-broker";

const RESTORE_ABOUT: &str = "\
Puts a backup in the place of the store. No broker may be running.

The store that is there is moved aside, never deleted. The next start of the broker ends every job that is \
open in the backup with the cause `store_restored` and begins a new epoch; tokens that were issued after the \
backup are unknown to it and not active. Bans and retirements of keys that were made after the backup are not \
in it: repeat them.";

/// Backs up, checks, and restores the broker's store
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Copies the store into a new file while the broker runs
    #[command(after_long_help = format!("{BACKUP_EXAMPLES}\n\n{CODES}"))]
    Backup(backup::Backup),
    /// Looks whether a store or a backup is sound, and says what it holds
    #[command(after_long_help = format!("{CHECK_EXAMPLES}\n\n{CODES}"))]
    Check(check::Check),
    /// Puts a backup in the place of the store
    #[command(long_about = RESTORE_ABOUT, after_long_help = format!("{RESTORE_EXAMPLES}\n\n{CODES}"))]
    Restore(restore::Restore),
}

/// Performs the command.
pub(crate) fn perform(command: Command, context: &Context) -> Result<Exit, Failure> {
    match command {
        Command::Backup(backup) => backup.perform(context),
        Command::Check(check) => check.perform(context),
        Command::Restore(restore) => restore.perform(context),
    }
}

/// Refuses a file that is not there, before SQLite says something of writing.
fn must_be_there(file: &Path, what: &str) -> Result<(), Failure> {
    match file.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Failure::usage(what)
            .why(format!("there is no file `{}`", file.display()))
            .remedy("check its path")),
        _ => Ok(()),
    }
}
