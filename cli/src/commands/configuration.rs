//! What `--check-config` says.

use std::error::Error;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::page::{ERROR, GOOD};
use crate::output::{Page, View};

/// What was found in a configuration.
#[derive(Debug, Serialize)]
pub(super) struct Configuration {
    good: bool,
    file: PathBuf,
    problems: Vec<String>,
}

impl Configuration {
    /// A configuration with everything that is wrong with it.
    pub(super) fn new(file: PathBuf, problems: Vec<String>) -> Self {
        Self {
            good: problems.is_empty(),
            file,
            problems,
        }
    }

    /// A configuration with errors is a bad input file.
    pub(super) fn exit(&self) -> Exit {
        if self.good { Exit::Fine } else { Exit::Usage }
    }
}

impl View for Configuration {
    fn text(&self, page: &mut Page) {
        for problem in &self.problems {
            let mut lines = problem.lines();
            page.styled(
                ERROR,
                &format!("error: {}", lines.next().unwrap_or_default()),
            );
            lines.for_each(|line| page.line(&format!("  {line}")));
        }
        if self.good {
            page.styled(
                GOOD,
                &format!("`{}` and what it names are good", self.file.display()),
            );
        }
    }
}

/// A configuration that cannot be read at all.
pub(super) fn unusable(path: &Path, error: &dyn Error) -> Failure {
    Failure::usage(format!("cannot use the configuration `{}`", path.display()))
        .why_with_excerpt(error)
        .remedy("correct it, or name another one with --config")
}
