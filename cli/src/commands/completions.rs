//! `taskpass completions`: completions for a shell.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::command_line::CommandLine;
use crate::context::Context;
use crate::exit::{self, Exit};
use crate::failure::Failure;

const EXAMPLES: &str = "\
Examples:
  taskpass completions bash > /usr/share/bash-completion/completions/taskpass
  taskpass completions zsh > ~/.zfunc/_taskpass
  taskpass completions fish > ~/.config/fish/completions/taskpass.fish";

/// The command line of `completions`.
#[derive(Debug, Args)]
#[command(about = "Prints completions for a shell", after_long_help = format!("{EXAMPLES}\n\n{}", exit::CODES))]
pub(crate) struct Arguments {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Performs the command.
pub(crate) fn perform(arguments: &Arguments, context: &Context) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(
        arguments.shell,
        &mut CommandLine::command(),
        "taskpass",
        &mut script,
    );
    context.output.write(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Fine)
}
