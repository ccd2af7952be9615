//! `taskpass policy diff`: what changes in effect.

mod markdown;
mod revision;

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use taskpass_broker::domain::policy::tools::diff::{Change, Difference, Direction, Side, diff};

use super::loaded::{Loaded, load};
use super::plural;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::page::{FAINT, GOOD, LABEL, WARNING};
use crate::output::{Page, View};

pub(super) const EXAMPLES: &str = "\
Examples:
  taskpass policy diff policy/ proposed/policy/
  taskpass policy diff --git origin/main policy/
  taskpass policy diff --git v1.2..v1.3 policy/
  taskpass policy diff --git origin/main policy/ --markdown >> \"$GITHUB_STEP_SUMMARY\"
  taskpass policy diff before/policy policy --exit-code --output json

Each directory is read with the `installation.toml` beside it, unless one is named.

Exit codes:
  0 compared; 1 with --exit-code: something changes, or not everything could be looked at;
  2 a file has a mistake
  More: `taskpass help exit-codes`";

/// What is said of whatever could not be looked at completely.
const PARTIAL: &str = "its patterns overlap in too many ways to look at all of them; what is written otherwise is listed, and other changes may be missing";

/// The command line of `policy diff`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The directory of the policy as it is, and the one as it will be; with --git, only the latter
    #[arg(value_name = "DIR", required = true, num_args = 1..=2)]
    directories: Vec<PathBuf>,

    /// Compares with a revision of the git repository that holds the directory, or two: `OLD..NEW`
    #[arg(long, value_name = "REVISION")]
    git: Option<String>,

    /// The installation's facts for OLD and NEW [default: `installation.toml` beside each]
    #[arg(long, value_name = "FILE")]
    installation: Option<PathBuf>,

    /// Writes Markdown, for a comment on a pull request
    #[arg(long)]
    markdown: bool,

    /// Exits with 1 when something changes, or not everything could be looked at
    #[arg(long)]
    exit_code: bool,
}

/// Performs the command.
pub(super) fn perform(arguments: &Arguments, context: &Context) -> Result<Exit, Failure> {
    let (old, new) = arguments.load()?;
    let difference = diff(side(&old), side(&new));
    let is_none = difference.is_none();
    if arguments.markdown {
        context.output.write(&markdown::text(&difference))?;
    } else {
        context.output.show(&Report::new(difference))?;
    }
    if arguments.exit_code && !is_none {
        Ok(Exit::Negative)
    } else {
        Ok(Exit::Fine)
    }
}

impl Arguments {
    fn load(&self) -> Result<(Loaded, Loaded), Failure> {
        let facts = self.installation.as_deref();
        match (&self.directories[..], &self.git) {
            ([old, new], None) => Ok((load(old, facts)?, load(new, facts)?)),
            ([directory], Some(revisions)) => {
                let of = |revision: &str| revision::load(directory, revision, facts);
                match revisions.split_once("..") {
                    Some((old, new)) => Ok((of(old)?, of(new)?)),
                    None => Ok((of(revisions)?, load(directory, facts)?)),
                }
            }
            (_, None) => Err(Failure::usage("there is nothing to compare with")
                .remedy("name two directories, or a revision with --git")),
            (_, Some(_)) => Err(Failure::usage("with --git, there is one directory")
                .remedy("compare two revisions with `--git OLD..NEW`")),
        }
    }
}

fn side(loaded: &Loaded) -> Side<'_> {
    Side {
        policy: &loaded.policy,
        installation: &loaded.installation,
    }
}

#[derive(Debug, Serialize)]
struct Report {
    widened: usize,
    changed: usize,
    narrowed: usize,
    /// Whether everything could be looked at.
    complete: bool,
    #[serde(flatten)]
    difference: Difference,
}

impl Report {
    fn new(difference: Difference) -> Self {
        Self {
            widened: difference.count(Direction::Widened),
            changed: difference.count(Direction::Changed),
            narrowed: difference.count(Direction::Narrowed),
            complete: difference.partial.is_empty(),
            difference,
        }
    }
}

impl View for Report {
    fn text(&self, page: &mut Page) {
        let mut heading = None;
        for change in &self.difference.changes {
            if heading != Some(&change.task) {
                if heading.is_some() {
                    page.line("");
                }
                match &change.task {
                    Some(task) => page.styled(LABEL, &format!("task {task}")),
                    None => page.styled(LABEL, "for every task"),
                }
                heading = Some(&change.task);
            }
            line(page, change);
        }
        page.gap();
        for what in &self.difference.partial {
            page.styled(WARNING, &format!("{what}: {PARTIAL}"));
        }
        if self.difference.is_none() {
            page.styled(GOOD, "nothing changes in effect");
        } else {
            page.line(&summary(&self.difference));
        }
    }
}

fn line(page: &mut Page, change: &Change) {
    let text = format!("  {:<9}{}", change.direction.to_string(), change.sentence());
    match change.direction {
        Direction::Widened | Direction::Changed => page.styled(WARNING, &text),
        Direction::Narrowed => page.line(&text),
    }
    for workload in &change.workloads {
        page.styled(FAINT, &format!("           {workload}"));
    }
}

/// `3 changes: 1 widened, 2 narrowed`.
fn summary(difference: &Difference) -> String {
    if difference.changes.is_empty() {
        return "no change was found, but not everything could be looked at".to_owned();
    }
    let all = [Direction::Widened, Direction::Changed, Direction::Narrowed];
    let counted: Vec<String> = all
        .into_iter()
        .map(|direction| (difference.count(direction), direction))
        .filter(|(count, _)| *count > 0)
        .map(|(count, direction)| format!("{count} {direction}"))
        .collect();
    let total = plural((difference.changes.len(), "change"));
    format!("{total}: {}", counted.join(", "))
}
