//! A policy as it stands in a revision of the git repository that holds its directory.
//!
//! - [`load`]: reads and compiles it
//! - [`tree`]: the files of a revision, found through its symbolic links
//! - [`git`]: the program that knows them

mod git;
mod tree;

use std::fs;
use std::path::{Component, Path, PathBuf};

use taskpass_broker::config::policy_files;
use taskpass_broker::domain::policy::SourceFile;

use self::git::Git;
use self::tree::{Kind, Tree};
use crate::commands::policy::loaded::{Loaded, beside, compile, facts};
use crate::failure::Failure;

const FACTS: &str = "installation.toml";

/// Why a revision cannot be read, and what to do about it.
#[derive(Debug)]
struct Unreadable {
    why: String,
    remedy: &'static str,
}

impl Unreadable {
    fn new(why: impl std::fmt::Display) -> Self {
        Self {
            why: why.to_string(),
            remedy: "name a revision of the repository that holds the directory, for instance `origin/main`",
        }
    }

    /// What the tree of the revision alone does not say.
    fn not_in_tree(why: String) -> Self {
        Self {
            why,
            remedy: "check the revision out beside (`git worktree add`), and compare the two directories",
        }
    }
}

impl<E: std::error::Error> From<E> for Unreadable {
    fn from(error: E) -> Self {
        Self::new(error)
    }
}

/// Reads and compiles the directory as it stands in the revision, with the facts beside it there.
pub(super) fn load(
    directory: &Path,
    revision: &str,
    named: Option<&Path>,
) -> Result<Loaded, Failure> {
    let read = read(directory, revision, named.is_none());
    let Read {
        files,
        installation,
    } = read.map_err(|error| {
        Failure::usage(format!("cannot read the policy of revision `{revision}`"))
            .why(error.why)
            .remedy(error.remedy)
    })?;
    let installation = match installation {
        Some(file) => file,
        None => facts(
            directory,
            Some(&named.map_or_else(|| beside(directory), Path::to_owned)),
        )?,
    };
    compile(&files, installation)
}

/// What a revision has of a policy.
struct Read {
    files: Vec<SourceFile>,
    /// None where it is named, or no part of the repository.
    installation: Option<SourceFile>,
}

fn read(directory: &Path, revision: &str, with_facts: bool) -> Result<Read, Unreadable> {
    let (root, inside) = place(directory)?;
    let git = Git::new(&root);
    let tree = Tree::of(&git, revision)?;
    let found = tree.find(&inside)?;
    let policy = found.ok_or_else(|| {
        let inside = inside.display();
        Unreadable::new(format!("there is no `{inside}` in it"))
    })?;
    let of_revision = |name: &Path| format!("{revision}:{}", name.display());
    let folder = tempfile::tempdir()?;
    let at = folder.path().join("policy");
    tree.write(&policy, &inside, &at)?;
    let files = policy_files::read(&at).map_err(|error| {
        let at = at.display().to_string();
        Unreadable::new(error.to_string().replace(&at, &of_revision(&inside)))
    })?;
    let named = |file: SourceFile| match policy.kind {
        Kind::Directory => SourceFile::new(of_revision(&inside.join(&*file.name)), file.bytes),
        Kind::File => SourceFile::new(of_revision(&inside), file.bytes),
    };
    let installation = match policy.path.parent() {
        Some(parent) if with_facts => installation(&tree, &parent.join(FACTS))?,
        Some(_) | None => None,
    };
    Ok(Read {
        files: files.into_iter().map(named).collect(),
        installation: installation.map(|(path, bytes)| SourceFile::new(of_revision(&path), bytes)),
    })
}

/// The facts in the revision. It need not have any, where the repository has none.
fn installation(tree: &Tree<'_>, path: &Path) -> Result<Option<(PathBuf, Vec<u8>)>, Unreadable> {
    match tree.find(path)? {
        Some(found) => Ok(Some((path.to_owned(), tree.bytes(&found)?))),
        None if tree.git().is_tracked(path)? => Err(Unreadable {
            why: format!(
                "it has no `{}`, though the repository has one now",
                path.display()
            ),
            remedy: "name the installation's facts for both sides with --installation",
        }),
        None => Ok(None),
    }
}

/// The top of the repository that holds a directory, and the way from there to it, symbolic links unresolved:
/// where they lead is for each revision to say.
fn place(directory: &Path) -> Result<(PathBuf, PathBuf), Unreadable> {
    let whole = std::path::absolute(directory)?;
    // Behind a link, `..` is not the way back.
    let mut path = PathBuf::new();
    for component in whole.components() {
        if component == Component::ParentDir {
            path = fs::canonicalize(path.join(component))?;
        } else {
            path.push(component);
        }
    }
    let top = path
        .ancestors()
        .find(|ancestor| fs::symlink_metadata(ancestor.join(".git")).is_ok());
    if let Some(top) = top {
        let inside = path.strip_prefix(top)?.to_owned();
        if inside.as_os_str().is_empty() && Git::new(top).is_submodule()? {
            let path = top.display();
            return Err(Unreadable::not_in_tree(format!(
                "`{path}` is a submodule: which revision of it counts is said by the repository above"
            )));
        }
        return Ok((top.to_owned(), inside));
    }
    let path = fs::canonicalize(path)?;
    let top = Git::new(&path).top()?;
    let inside = path.strip_prefix(&top)?.to_owned();
    Ok((top, inside))
}
