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

/// The commands that people type: without the hidden ones, which clap completes too.
fn visible() -> clap::Command {
    let whole = CommandLine::command();
    let commands = whole.get_subcommands().filter(|one| !one.is_hide_set());
    clap::Command::new("taskpass")
        .args(whole.get_arguments().cloned())
        .subcommands(commands.cloned())
}

/// Performs the command.
pub(crate) fn perform(arguments: &Arguments, context: &Context) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut visible(), "taskpass", &mut script);
    context.output.write(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_not_completed() {
        let names: Vec<_> = visible()
            .get_subcommands()
            .map(|one| one.get_name().to_owned())
            .collect();
        assert!(
            names.contains(&"run".to_owned()) && !names.contains(&"demo-job".to_owned()),
            "{names:?}"
        );
        assert!(
            visible()
                .get_arguments()
                .any(|one| one.get_id() == "output")
        );
    }
}
