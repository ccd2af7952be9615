//! The command line of `run`, and the plan that it makes.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use taskpass_proto::task_name::TaskName;

use crate::durations;
use crate::failure::Failure;
use crate::local::wire::{Anchor, OpenJob};
use crate::request::{self, CredentialArguments, ParameterArguments, credential_name};

const LONG_ABOUT: &str = "\
Runs a command with credentials that are taken back when it ends.

Opens a job for the task, writes each credential into a file of its own (mode 0600) in a new directory \
on memory-backed storage, and starts the command with TASKPASS_CREDENTIALS_DIR and TASKPASS_JOB_ID in \
its environment. The file `$TASKPASS_CREDENTIALS_DIR/NAME` is replaced at each renewal: read it \
whenever you need the credential. When the command ends, or `taskpass run` does, the files are removed \
and everything handed out is taken back.

Signals are passed on to the command, and its exit code is passed back.";

const EXAMPLES: &str = "\
Examples:
  taskpass run --task deploy-docs --param ref=refs/heads/main -- ./deploy.sh
  taskpass run --task deploy-docs --param ref=refs/heads/main -- \\
    sh -c 'curl -H \"Authorization: Bearer $(cat $TASKPASS_CREDENTIALS_DIR/docs-api)\" \\
    https://docs.acme.example/'
  taskpass run --task nightly --credential db --scope db:read --wait-broker 30s -- ./nightly
  taskpass run --task release --env GITHUB_TOKEN=docs-repo -- gh release create v1

Exit codes:
  the command's own; 128+n when signal n ended it; 125 when Taskpass failed or the job was denied;
  126 when the command cannot be executed; 127 when it is not found; 2 for a wrong command line.
  More: `taskpass help exit-codes`";

/// What to do with the command when its job, or a credential for good, ends before it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum OnRevoke {
    /// Remove the credential files and say so.
    #[default]
    Warn,
    /// The same, and send the command SIGTERM.
    Terminate,
}

/// The command line of `run`.
#[derive(Debug, Args)]
#[command(
    about = "Runs a command with credentials that are taken back when it ends",
    long_about = LONG_ABOUT,
    after_long_help = EXAMPLES,
    override_usage = "taskpass run [OPTIONS] --task <TASK> -- <COMMAND>..."
)]
pub(crate) struct Arguments {
    /// The task to do
    #[arg(long, value_name = "TASK")]
    task: TaskName,

    #[command(flatten)]
    params: ParameterArguments,

    #[command(flatten)]
    credentials: CredentialArguments,

    /// Sets a variable to a credential (repeatable). It is not renewed: prefer the file
    #[arg(long = "env", value_name = "VAR=CRED", value_parser = variable)]
    variables: Vec<Variable>,

    /// Ends the job after this long, though the command still runs
    #[arg(long, value_name = "DURATION", value_parser = request::ttl)]
    ttl: Option<Duration>,

    /// Makes the directory of the credential files in this one
    #[arg(long, value_name = "DIR")]
    credentials_dir: Option<PathBuf>,

    /// Allows --credentials-dir to lie on a disk, where removed files may leave traces
    #[arg(long, requires = "credentials_dir")]
    allow_disk: bool,

    /// Keeps trying for this long while the agent or the broker cannot be reached
    #[arg(long, value_name = "DURATION", value_parser = durations::parse)]
    wait_broker: Option<Duration>,

    /// What to do when the job or a credential ends before the command: `warn`, or `terminate` (SIGTERM)
    #[arg(
        long,
        value_name = "WHAT",
        value_enum,
        default_value_t,
        hide_possible_values = true
    )]
    on_revoke: OnRevoke,

    /// Does not warn of standing keys in the environment handed on
    #[arg(long)]
    no_env_warning: bool,

    /// The command and its arguments
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true)]
    command: Vec<OsString>,
}

/// A variable that is set to a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variable {
    /// The variable's name.
    pub(crate) name: String,
    /// The credential's name.
    pub(crate) credential: String,
}

/// What `run` is going to do: the command line, checked.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The job to open.
    pub(crate) job: OpenJob,
    /// The program to start.
    pub(crate) program: OsString,
    /// Its arguments.
    pub(crate) arguments: Vec<OsString>,
    /// Variables that are set to credentials.
    pub(crate) variables: Vec<Variable>,
    /// Where the credential files may lie.
    pub(crate) place: Place,
    /// How long to wait for the agent and the broker.
    pub(crate) patience: Duration,
    /// What to do when the job or a credential ends early.
    pub(crate) on_revoke: OnRevoke,
    /// Whether to warn of standing keys.
    pub(crate) warns: bool,
}

/// Where the credential files may lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the first of the usual directories that is memory-backed.
    Usual,
    /// In this directory, which must be memory-backed.
    Memory(PathBuf),
    /// In this directory, whatever it lies on.
    Any(PathBuf),
}

impl Arguments {
    /// Checks what one argument alone cannot say.
    pub(crate) fn plan(self) -> Result<Plan, Failure> {
        let job = request::job(
            &self.task,
            &self.params,
            &self.credentials,
            Anchor::Caller,
            self.ttl,
        )?;
        for variable in &self.variables {
            let asked = job.credentials.is_empty()
                || job
                    .credentials
                    .iter()
                    .any(|one| one.name == variable.credential);
            if !asked {
                return Err(Failure::usage(format!(
                    "`--env {}={}` needs a credential that is not asked for",
                    variable.name, variable.credential
                ))
                .remedy(format!("add `--credential {}`", variable.credential)));
            }
        }
        let mut command = self.command.into_iter();
        let program = command
            .next()
            .ok_or_else(|| Failure::usage("no command to run"))?;
        Ok(Plan {
            job,
            program,
            arguments: command.collect(),
            variables: self.variables,
            place: match (self.credentials_dir, self.allow_disk) {
                (None, _) => Place::Usual,
                (Some(directory), false) => Place::Memory(directory),
                (Some(directory), true) => Place::Any(directory),
            },
            patience: self.wait_broker.unwrap_or_default(),
            on_revoke: self.on_revoke,
            warns: !self.no_env_warning,
        })
    }
}

fn variable(text: &str) -> Result<Variable, String> {
    let (name, credential) = text
        .split_once('=')
        .ok_or("write VAR=CRED, for instance `GITHUB_TOKEN=docs-repo`")?;
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let goes_on_well = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !(starts_well && goes_on_well) {
        return Err(
            "a variable's name is letters, digits and `_`, and does not start with a digit"
                .to_owned(),
        );
    }
    Ok(Variable {
        name: name.to_owned(),
        credential: credential_name(credential)?,
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn plan(line: &[&str]) -> Result<Plan, String> {
        let line = ["run"].iter().chain(line);
        let line = Line::try_parse_from(line).map_err(|error| error.to_string())?;
        line.arguments.plan().map_err(|failure| failure.to_string())
    }

    #[test]
    fn everything_after_the_command_belongs_to_the_command() {
        for line in [
            &["--task", "t", "--", "cmd", "--task", "x", "--", "-v"][..],
            &["--task", "t", "cmd", "--task", "x", "--", "-v"][..],
        ] {
            let plan = plan(line).unwrap();
            assert_eq!(plan.program, "cmd");
            assert_eq!(plan.arguments, ["--task", "x", "--", "-v"]);
        }
    }

    #[test]
    fn a_misspelt_option_is_not_taken_for_the_command() {
        assert!(plan(&["--task", "t", "--parm", "a=b", "--", "cmd"]).is_err());
    }

    #[test]
    fn a_disk_is_only_allowed_by_name() {
        let place = |line: &[&str]| {
            let line: Vec<_> = ["--task", "t"]
                .iter()
                .chain(line)
                .chain(&["cmd"])
                .copied()
                .collect();
            plan(&line).map(|plan| plan.place)
        };
        assert_eq!(place(&[]), Ok(Place::Usual));
        assert_eq!(
            place(&["--credentials-dir", "/d"]),
            Ok(Place::Memory("/d".into()))
        );
        assert_eq!(
            place(&["--credentials-dir", "/d", "--allow-disk"]),
            Ok(Place::Any("/d".into()))
        );
        assert!(place(&["--allow-disk"]).is_err());
    }

    #[test]
    fn a_variable_needs_a_credential_that_is_asked_for() {
        let table = [
            (&["--env", "A=db"][..], true),
            (&["--credential", "db", "--env", "A=db"][..], true),
            (&["--credential", "docs", "--env", "A=db"][..], false),
            (&["--env", "1A=db"][..], false),
            (&["--env", "A"][..], false),
            (&["--env", "A=../x"][..], false),
        ];
        for (line, good) in table {
            let whole: Vec<_> = ["--task", "t"]
                .iter()
                .chain(line)
                .chain(&["cmd"])
                .copied()
                .collect();
            assert_eq!(plan(&whole).is_ok(), good, "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,32}") {
            let _ = variable(&text);
        }
    }
}
