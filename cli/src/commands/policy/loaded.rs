//! Reads and compiles a directory of policy files for the commands that need it without mistakes.

use std::path::{Path, PathBuf};

use clap::Args;
use taskpass_broker::config::policy_files;
use taskpass_broker::domain::policy::{Diagnostic, Installation, Policy, SourceFile};

use super::findings;
use crate::failure::Failure;

/// Mistakes that are shown in full; `policy check` shows all.
const MAX_SHOWN: usize = 5;

/// What the file with the installation's facts is called.
const FACTS: &str = "installation.toml";

/// Where a policy is.
#[derive(Debug, Args)]
pub(super) struct Location {
    /// The directory of the policy files
    #[arg(value_name = "DIR", default_value = ".")]
    pub(super) directory: PathBuf,

    /// The installation's facts [default: `installation.toml` beside DIR]
    #[arg(long, value_name = "FILE")]
    pub(super) installation: Option<PathBuf>,
}

/// A policy with the facts that it was compiled with.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) policy: Policy,
    pub(super) installation: Installation,
}

impl Location {
    /// Reads and compiles.
    pub(super) fn load(&self) -> Result<Loaded, Failure> {
        load(&self.directory, self.installation.as_deref())
    }
}

/// Reads and compiles a directory; the facts stand beside it unless they are named.
pub(super) fn load(directory: &Path, installation: Option<&Path>) -> Result<Loaded, Failure> {
    must_be_there(directory)?;
    let installation = facts(directory, installation)?;
    let files = files(directory)?
        .into_iter()
        .map(|file| shown(directory, file));
    compile(&files.collect::<Vec<_>>(), installation)
}

/// Refuses a directory that is not there: what stands beside it is not there either, and of less interest.
pub(super) fn must_be_there(directory: &Path) -> Result<(), Failure> {
    directory.metadata().map(drop).map_err(|error| {
        Failure::usage("cannot read the policy")
            .why(format!("cannot read `{}`: {error}", directory.display()))
            .remedy("name the directory that holds the `*.toml` files of tasks and credentials")
    })
}

/// Compiles files that were read.
pub(super) fn compile(files: &[SourceFile], installation: SourceFile) -> Result<Loaded, Failure> {
    let facts = Installation::parse(&installation)
        .map_err(|found| mistakes("the installation's facts have", &found, &[installation]))?;
    match Policy::compile(files, &facts) {
        Ok(policy) => Ok(Loaded {
            policy,
            installation: facts,
        }),
        Err(found) => Err(mistakes("the policy has", &found, files)),
    }
}

/// The installation's facts: a file that is named, or the one beside the directory.
pub(super) fn facts(directory: &Path, named: Option<&Path>) -> Result<SourceFile, Failure> {
    let path = named.map_or_else(|| beside(directory), Path::to_owned);
    policy_files::read_one(&path).map_err(|error| {
        let inside = directory.join(FACTS);
        let is_misplaced = named.is_none() && !path.exists() && inside.exists();
        let remedy = if is_misplaced && directory.join("policy").is_dir() {
            format!(
                "name the policy directory itself: `{}`",
                directory.join("policy").display()
            )
        } else if is_misplaced {
            format!(
                "`{}` lies in the policy directory: move it beside, or name it with --installation",
                inside.display()
            )
        } else {
            "name the file with --installation; the broker reads it too".to_owned()
        };
        Failure::usage("cannot read the installation's facts")
            .why(error)
            .remedy(remedy)
    })
}

/// The files of a policy directory.
pub(super) fn files(directory: &Path) -> Result<Vec<SourceFile>, Failure> {
    policy_files::read(directory)
        .map_err(|error| Failure::usage("cannot read the policy").why_with_excerpt(error))
}

/// The failure that policy files with mistakes make.
pub(super) fn mistakes(what: &str, found: &[Diagnostic], files: &[SourceFile]) -> Failure {
    let shown = found.get(..MAX_SHOWN).unwrap_or(found);
    told(what, found.len(), shown, files).remedy("`taskpass policy check` shows all of them")
}

/// The failure that other files with mistakes make, which no other command shows.
pub(super) fn all_mistakes(what: &str, found: &[Diagnostic], files: &[SourceFile]) -> Failure {
    told(what, found.len(), found, files)
}

fn told(what: &str, count: usize, shown: &[Diagnostic], files: &[SourceFile]) -> Failure {
    let plural = if count == 1 { "" } else { "s" };
    let rendered: Vec<String> = shown
        .iter()
        .map(|one| {
            let styled = findings::render(one, files);
            anstream::adapter::strip_str(&styled).to_string()
        })
        .collect();
    Failure::usage(format!("{what} {count} mistake{plural}"))
        .why_with_excerpt(format!("\n{}", rendered.join("\n")))
}

/// The file under the path by which whoever reads of it can open it.
pub(super) fn shown(directory: &Path, file: SourceFile) -> SourceFile {
    if directory.is_dir() {
        let path = directory.join(&*file.name);
        // A path is read more easily without what says nothing.
        let path = path.strip_prefix(".").unwrap_or(&path);
        SourceFile::new(path.display().to_string(), file.bytes)
    } else {
        file
    }
}

/// `installation.toml` in the directory that holds the policy directory.
pub(super) fn beside(directory: &Path) -> PathBuf {
    let whole = directory.canonicalize();
    let whole = whole.as_deref().unwrap_or(directory);
    let above = |path: &Path| path.parent().unwrap_or(path).to_owned();
    // One file of a policy is named by itself.
    let policy = if whole.is_file() {
        above(whole)
    } else {
        whole.to_owned()
    };
    above(&policy).join(FACTS)
}
