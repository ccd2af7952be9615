//! `taskpass policy`: checks policy files before they are let in, and shows what a broker made of them.

mod considered;
mod diff;
mod explain;
mod findings;
mod fmt;
mod loaded;
mod reload;
mod replay;
mod schema;
mod show;
mod status;
mod test;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;
use taskpass_broker::config::policy_files;
use taskpass_broker::domain::policy::tools::cases::{read_cases, unknown_names};
use taskpass_broker::domain::policy::{Diagnostic, Installation, Policy, Severity, SourceFile};

use crate::context::{Context, block_on};
use crate::exit::{self, Exit};
use crate::failure::Failure;
use crate::output::page::GOOD;
use crate::output::{Page, View};

use findings::Finding;

const CHECK_EXAMPLES: &str = "\
Examples:
  taskpass policy check policy/
  taskpass policy check policy/ --installation /etc/taskpass/installation.toml
  taskpass policy check policy/ --deny-warnings
  taskpass policy check policy/ --output json |
    jq -r '.findings[] | \"\\(.file):\\(.line): \\(.message)\"'

Exit codes:
  0 good, warnings included; 2 the policy has errors, or cannot be read, or has warnings and
  --deny-warnings is given
  Warnings have names, which the policy reference explains
  More: `taskpass help exit-codes`";

/// Checks policy files, and shows what the broker made of them
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Checks syntax, types and names of a directory of policy files and tests; needs no broker
    #[command(after_long_help = CHECK_EXAMPLES)]
    Check(Check),
    /// Runs the tests beside a policy, and says which grants no test touches; needs no broker
    #[command(after_long_help = test::EXAMPLES)]
    Test(test::Arguments),
    /// Shows what changes in effect from one policy to another; needs no broker
    #[command(after_long_help = diff::EXAMPLES)]
    Diff(diff::Arguments),
    /// Brings policy files and tests into their one canonical form
    #[command(after_long_help = fmt::EXAMPLES)]
    Fmt(fmt::Arguments),
    /// Explains why a request is decided as it is, or a decision of the audit log
    #[command(after_long_help = explain::EXAMPLES)]
    Explain(explain::Arguments),
    /// Replays the decisions of the audit log against a proposed policy
    #[command(after_long_help = replay::EXAMPLES)]
    Replay(replay::Arguments),
    /// Writes the JSON Schema of policy files, of tests, or of the installation file
    #[command(after_long_help = format!("{}\n\n{}", schema::EXAMPLES, exit::CODES))]
    Schema(schema::Arguments),
    /// Shows the files of the policy in force at the broker, or of one that was
    #[command(after_long_help = format!("{}\n\n{}", show::EXAMPLES, exit::CODES))]
    Show(show::Arguments),
    /// Shows the policy in force at the broker, and why newer files were refused
    #[command(after_long_help = format!("{}\n\n{}", status::EXAMPLES, exit::CODES))]
    Status,
    /// Has the broker read its policy files now, and says what came of it
    #[command(after_long_help = format!("{}\n\n{}", reload::EXAMPLES, exit::CODES))]
    Reload,
}

/// The command line of `policy check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The directory of the policy files
    #[arg(value_name = "DIR", default_value = ".")]
    directory: PathBuf,

    /// The installation's facts [default: `installation.toml` beside DIR]
    #[arg(long, value_name = "FILE")]
    installation: Option<PathBuf>,

    /// Fail when there are warnings, as for CI
    #[arg(long)]
    deny_warnings: bool,
}

/// Performs the command.
pub(crate) fn perform(command: Command, context: &Context) -> Result<Exit, Failure> {
    match command {
        Command::Check(check) => check.perform(context),
        Command::Test(arguments) => test::perform(&arguments, context),
        Command::Diff(arguments) => diff::perform(&arguments, context),
        Command::Fmt(arguments) => fmt::perform(&arguments, context),
        Command::Explain(arguments) => explain::perform(arguments, context),
        Command::Replay(arguments) => replay::perform(&arguments, context),
        Command::Schema(arguments) => schema::perform(&arguments, context),
        Command::Show(arguments) => block_on(show::perform(arguments, context)),
        Command::Status => block_on(status::perform(context)),
        Command::Reload => block_on(reload::perform(context)),
    }
}

impl Check {
    fn perform(&self, context: &Context) -> Result<Exit, Failure> {
        loaded::must_be_there(&self.directory)?;
        let installation = loaded::facts(&self.directory, self.installation.as_deref())?;
        let files = loaded::files(&self.directory)?;
        let tests = policy_files::read_tests(&self.directory).map_err(|error| {
            Failure::usage("cannot read the tests of the policy").why_with_excerpt(error)
        })?;
        let [files, tests] = [files, tests].map(|files| {
            files
                .into_iter()
                .map(|file| loaded::shown(&self.directory, file))
                .collect()
        });
        let passed_over = policy_files::passed_over(&self.directory)
            .into_iter()
            .map(|path| Diagnostic::passed_over(path.display().to_string()))
            .collect();
        let report = Report::new((files, tests), installation, passed_over);
        context.output.show(&report)?;
        Ok(report.exit(self.deny_warnings))
    }
}

/// What a check found.
#[derive(Debug, Serialize)]
struct Report {
    good: bool,
    /// The hash by which the snapshot would be known.
    policy: Option<String>,
    files: usize,
    tasks: usize,
    grants: usize,
    errors: usize,
    warnings: usize,
    findings: Vec<Finding>,
    #[serde(skip)]
    rendered: Vec<String>,
}

impl Report {
    fn new(
        (mut files, tests): (Vec<SourceFile>, Vec<SourceFile>),
        installation: SourceFile,
        passed_over: Vec<Diagnostic>,
    ) -> Self {
        let compiled = match Installation::parse(&installation) {
            Ok(facts) => Policy::compile(&files, &facts),
            Err(mut diagnostics) => {
                diagnostics.extend(Policy::errors_within(&files));
                Err(diagnostics)
            }
        };
        let count = files.len();
        let mut diagnostics: Vec<Diagnostic> = match &compiled {
            Ok(policy) => policy.warnings().to_vec(),
            Err(diagnostics) => diagnostics.clone(),
        };
        // Tests with mistakes test nothing.
        let of_tests = match (read_cases(&tests), &compiled) {
            (Err(mistakes), _) => mistakes,
            (Ok(cases), Ok(policy)) => unknown_names(policy, &cases),
            (Ok(_), Err(_)) => Vec::new(),
        };
        let is_wrong = |one: &Diagnostic| one.severity == Severity::Error;
        let are_wrong = of_tests.iter().any(is_wrong);
        let policy = compiled.as_ref().ok().filter(|_| !are_wrong);
        diagnostics.extend(of_tests);
        diagnostics.extend(passed_over);
        files.extend(tests);
        files.push(installation);
        let count_of = |severity| {
            diagnostics
                .iter()
                .filter(|one| one.severity == severity)
                .count()
        };
        Self {
            good: policy.is_some(),
            policy: policy.map(|policy| policy.hash().to_string()),
            files: count,
            tasks: policy.map_or(0, Policy::task_count),
            grants: policy.map_or(0, Policy::grant_count),
            errors: count_of(Severity::Error),
            warnings: count_of(Severity::Warning),
            findings: diagnostics.iter().map(Finding::from).collect(),
            rendered: diagnostics
                .iter()
                .map(|one| findings::render(one, &files))
                .collect(),
        }
    }

    fn exit(&self, denies_warnings: bool) -> Exit {
        if self.good && !(denies_warnings && self.warnings > 0) {
            Exit::Fine
        } else {
            Exit::Usage
        }
    }

    fn summary(&self) -> String {
        let counted = [(self.errors, "error"), (self.warnings, "warning")];
        let counted: Vec<_> = counted
            .into_iter()
            .filter(|(n, _)| *n > 0)
            .map(plural)
            .collect();
        match &self.policy {
            None => counted.join(", "),
            Some(hash) => {
                let parts = [
                    (self.files, "file"),
                    (self.tasks, "task"),
                    (self.grants, "grant"),
                ];
                let parts: Vec<_> = parts.into_iter().map(plural).chain(counted).collect();
                format!(
                    "the policy is good: {}; its hash is {hash}",
                    parts.join(", ")
                )
            }
        }
    }
}

fn plural((count, what): (usize, &str)) -> String {
    match count {
        1 => format!("1 {what}"),
        more => format!("{more} {what}s"),
    }
}

impl View for Report {
    fn text(&self, page: &mut Page) {
        for finding in &self.rendered {
            page.rendered(finding);
            page.line("");
        }
        if self.good {
            page.styled(GOOD, &self.summary());
        } else {
            page.line(&self.summary());
        }
    }
}
