//! `taskpass policy fmt`: one canonical form of the files.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use taskpass_broker::config::policy_files::{self, SourceError};
use taskpass_broker::domain::policy::SourceFile;
use taskpass_broker::domain::policy::tools::format::format;

use super::{loaded, plural};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::page::GOOD;
use crate::output::{Page, View};

pub(super) const EXAMPLES: &str = "\
Examples:
  taskpass policy fmt policy/ installation.toml
  taskpass policy fmt --check policy/

Spaces, blank lines, quotes and line breaks are made the same everywhere; order, names and comments
stay as they are, and so does what the files say. Guardrails (`*.cedar`) are left alone.

Exit codes:
  0 in form; 1 with --check: some file is not in form; 2 a file is not TOML: it is left as it is
  More: `taskpass help exit-codes`";

/// The command line of `policy fmt`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Directories of policy files with their tests, or single files
    #[arg(value_name = "PATH", default_value = ".")]
    paths: Vec<PathBuf>,

    /// Writes nothing; says which files are not in form
    #[arg(long)]
    check: bool,
}

/// Performs the command.
pub(super) fn perform(arguments: &Arguments, context: &Context) -> Result<Exit, Failure> {
    let mut files = Vec::new();
    for path in &arguments.paths {
        let read = read(path)
            .map_err(|error| Failure::usage("cannot read the files").why_with_excerpt(error))?;
        files.extend(read.into_iter().map(|file| loaded::shown(path, file)));
    }
    let mut report = Report {
        files: files.len(),
        check: arguments.check,
        ..Report::default()
    };
    for file in &files {
        report.take(file)?;
    }
    context.output.show(&report)?;
    Ok(report.exit())
}

/// The policy files and the tests of a directory, or one file.
fn read(path: &Path) -> Result<Vec<SourceFile>, SourceError> {
    if !path.is_dir() {
        return Ok(vec![policy_files::read_one(path)?]);
    }
    let mut files = match policy_files::read(path) {
        Ok(files) => files,
        // There may be tests all the same.
        Err(SourceError::Nothing(_)) => Vec::new(),
        Err(error) => return Err(error),
    };
    files.extend(policy_files::read_tests(path)?);
    files.retain(|file| file.name.ends_with(".toml"));
    Ok(files)
}

/// What became of the files.
#[derive(Debug, Default, Serialize)]
struct Report {
    files: usize,
    check: bool,
    /// Files that were not in form; without --check, they are now.
    changed: Vec<String>,
    /// Files that were left as they are, and why.
    refused: Vec<Refused>,
}

#[derive(Debug, Serialize)]
struct Refused {
    file: String,
    why: String,
}

impl Report {
    fn take(&mut self, file: &SourceFile) -> Result<(), Failure> {
        let name = file.name.to_string();
        let formatted = match str::from_utf8(&file.bytes) {
            Ok(text) => format(text).map_err(|why| why.to_string()),
            Err(_) => Err("it is not UTF-8".to_owned()),
        };
        match formatted {
            Err(why) => self.refused.push(Refused { file: name, why }),
            Ok(text) if text.as_bytes() == &*file.bytes => {}
            Ok(text) => {
                if !self.check {
                    write(Path::new(&*file.name), &text)?;
                }
                self.changed.push(name);
            }
        }
        Ok(())
    }

    fn exit(&self) -> Exit {
        if !self.refused.is_empty() {
            Exit::Usage
        } else if self.check && !self.changed.is_empty() {
            Exit::Negative
        } else {
            Exit::Fine
        }
    }
}

/// Writes a file as a whole or not at all, with the mode that it has. A link is followed, not replaced.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(format!("cannot write `{}`", path.display())).why(error)
    };
    let path = &path.canonicalize().map_err(failed)?;
    let permissions = fs::metadata(path).map_err(failed)?.permissions();
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        // A broker that looks meanwhile passes hidden files over.
        .prefix(".taskpass-fmt-")
        .tempfile_in(directory)
        .map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.as_file()
        .set_permissions(permissions)
        .map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

impl View for Report {
    fn text(&self, page: &mut Page) {
        let what = if self.check {
            "not in form"
        } else {
            "formatted"
        };
        for file in &self.changed {
            page.line(&format!("{what}: {file}"));
        }
        for refused in &self.refused {
            page.line(&format!("left as it is: {}: {}", refused.file, refused.why));
        }
        if self.changed.is_empty() && self.refused.is_empty() {
            let files = plural((self.files, "file"));
            page.styled(GOOD, &format!("{files}, all in form"));
        }
    }
}
