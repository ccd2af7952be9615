//! The files of a revision, found through its symbolic links as the broker finds them through those of a
//! directory.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Component, Path, PathBuf};

use super::Unreadable;
use super::git::Git;

/// Links on the way to one file.
const MAX_LINKS: usize = 40;
/// Directories within directories; as deep as policy is read.
const MAX_DEPTH: usize = 16;

/// The tree of a revision.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    git: &'a Git<'a>,
    id: String,
}

/// Something in a tree, behind every link.
#[derive(Debug)]
pub(super) struct Found {
    /// Where it stands, from the top of the repository.
    pub(super) path: PathBuf,
    /// What it is.
    pub(super) kind: Kind,
    id: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    File,
}

/// A line of a listing.
#[derive(Debug)]
struct Entry {
    mode: Mode,
    id: String,
    name: OsString,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Directory,
    File,
    Link,
    Submodule,
}

impl<'a> Tree<'a> {
    /// The tree of a revision.
    pub(super) fn of(git: &'a Git<'a>, revision: &str) -> Result<Self, Unreadable> {
        let id = git.tree(revision)?;
        Ok(Self { git, id })
    }

    pub(super) fn git(&self) -> &Git<'a> {
        self.git
    }

    /// What a path leads to, through every link; none where nothing has this name. A link that leads nowhere,
    /// or out of the tree, is an error.
    pub(super) fn find(&self, path: &Path) -> Result<Option<Found>, Unreadable> {
        let mut ahead: VecDeque<OsString> = names(path);
        // The directories that were entered, each with its name.
        let mut entered: Vec<(OsString, String)> = Vec::new();
        let mut links = 0;
        let missing = |links: usize| match links {
            0 => Ok(None),
            _ => Err(Unreadable::not_in_tree(format!(
                "`{}` is a symbolic link that leads nowhere",
                path.display()
            ))),
        };
        while let Some(name) = ahead.pop_front() {
            if name == ".." {
                if entered.pop().is_none() {
                    return Err(leads_out(path, &name));
                }
                continue;
            }
            let here = entered.last().map_or(&self.id, |(_, id)| id);
            let Some(entry) = self.entry(here, &name)? else {
                return missing(links);
            };
            match entry.mode {
                Mode::Directory => entered.push((name, entry.id)),
                Mode::File if ahead.is_empty() => {
                    return Ok(Some(Found {
                        path: joined(&entered).join(name),
                        kind: Kind::File,
                        id: entry.id,
                    }));
                }
                Mode::File => return missing(links),
                Mode::Link => {
                    links += 1;
                    if links > MAX_LINKS {
                        let path = path.display();
                        let why = format!("`{path}` leads through symbolic links in a circle");
                        return Err(Unreadable::not_in_tree(why));
                    }
                    let target = OsString::from_vec(self.blob(&entry.id)?);
                    if Path::new(&target).is_absolute() {
                        return Err(leads_out(path, &target));
                    }
                    for name in names(Path::new(&target)).into_iter().rev() {
                        ahead.push_front(name);
                    }
                }
                Mode::Submodule => {
                    return Err(Unreadable::not_in_tree(format!(
                        "`{}` is a submodule, whose files are in another repository",
                        joined(&entered).join(name).display()
                    )));
                }
            }
        }
        Ok(Some(Found {
            path: joined(&entered),
            kind: Kind::Directory,
            id: entered.pop().map_or_else(|| self.id.clone(), |(_, id)| id),
        }))
    }

    /// The bytes of a file.
    pub(super) fn bytes(&self, found: &Found) -> Result<Vec<u8>, Unreadable> {
        match found.kind {
            Kind::File => self.blob(&found.id),
            Kind::Directory => {
                let path = found.path.display();
                Err(Unreadable::new(format!("`{path}` is not a file")))
            }
        }
    }

    /// Writes what stands there, each file under the name by which `shown` leads to it. Of files that are no
    /// policy, the name alone.
    pub(super) fn write(&self, found: &Found, shown: &Path, to: &Path) -> Result<(), Unreadable> {
        if found.kind == Kind::File {
            fs::write(to, self.blob(&found.id)?)?;
            return Ok(());
        }
        let mut files = Vec::new();
        self.collect((found, shown, to), 0, &mut files)?;
        let (policy, other): (Vec<_>, Vec<_>) =
            files.into_iter().partition(|(_, path)| is_policy(path));
        for (_, path) in other {
            fs::write(path, "")?;
        }
        let ids: Vec<&str> = policy.iter().map(|(id, _)| id.as_str()).collect();
        self.git.files(&ids, |position, bytes| {
            if let Some((_, path)) = policy.get(position) {
                fs::write(path, bytes)?;
            }
            Ok(())
        })
    }

    fn collect(
        &self,
        (found, shown, to): (&Found, &Path, &Path),
        depth: usize,
        files: &mut Vec<(String, PathBuf)>,
    ) -> Result<(), Unreadable> {
        if depth > MAX_DEPTH {
            return Err(Unreadable::new(format!(
                "`{}` lies more than {MAX_DEPTH} directories deep; does a symbolic link lead back?",
                shown.display()
            )));
        }
        fs::create_dir_all(to)?;
        for entry in self.entries(&found.id)? {
            // As in a directory, what is hidden is passed over.
            if entry.name.as_bytes().starts_with(b".") {
                continue;
            }
            let (inner, shown, to) = (
                found.path.join(&entry.name),
                shown.join(&entry.name),
                to.join(&entry.name),
            );
            let inner = match entry.mode {
                Mode::File => Some(Found {
                    path: inner,
                    kind: Kind::File,
                    id: entry.id,
                }),
                Mode::Directory => Some(Found {
                    path: inner,
                    kind: Kind::Directory,
                    id: entry.id,
                }),
                Mode::Link | Mode::Submodule => self.find(&inner)?,
            };
            match inner {
                Some(inner) if inner.kind == Kind::File => files.push((inner.id, to)),
                Some(inner) => self.collect((&inner, &shown, &to), depth + 1, files)?,
                None => {}
            }
        }
        Ok(())
    }

    fn entry(&self, tree: &str, name: &OsStr) -> Result<Option<Entry>, Unreadable> {
        let entries = self.entries(tree)?;
        Ok(entries.into_iter().find(|entry| entry.name == *name))
    }

    fn entries(&self, tree: &str) -> Result<Vec<Entry>, Unreadable> {
        let listed = self.git.list(tree)?;
        let lines = listed.split(|byte| *byte == 0);
        lines.filter(|line| !line.is_empty()).map(entry).collect()
    }

    fn blob(&self, id: &str) -> Result<Vec<u8>, Unreadable> {
        let mut all = Vec::new();
        self.git.files(&[id], |_, bytes| {
            all = bytes;
            Ok(())
        })?;
        Ok(all)
    }
}

/// `<mode> <kind> <id>\t<name>`.
fn entry(line: &[u8]) -> Result<Entry, Unreadable> {
    let unknown = || {
        let line = String::from_utf8_lossy(line);
        Unreadable::new(format!("git lists what is not known here: {line}"))
    };
    let tab = line.iter().position(|byte| *byte == b'\t');
    let (head, name) = line.split_at(tab.ok_or_else(unknown)?);
    let head = std::str::from_utf8(head).map_err(|_| unknown())?;
    let mut words = head.split(' ');
    let (mode, id) = (words.next(), words.nth(1));
    let mode = match mode {
        Some("040000") => Mode::Directory,
        Some("120000") => Mode::Link,
        Some("160000") => Mode::Submodule,
        Some(mode) if mode.starts_with("100") => Mode::File,
        Some(_) | None => return Err(unknown()),
    };
    Ok(Entry {
        mode,
        id: id.ok_or_else(unknown)?.to_owned(),
        name: OsStr::from_bytes(name.get(1..).unwrap_or_default()).to_owned(),
    })
}

/// The names of a path, `..` among them.
fn names(path: &Path) -> VecDeque<OsString> {
    let name = |component: Component<'_>| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
    };
    path.components().filter_map(name).collect()
}

fn joined(entered: &[(OsString, String)]) -> PathBuf {
    entered.iter().map(|(name, _)| name).collect()
}

/// Whether the broker reads a file of this name.
fn is_policy(path: &Path) -> bool {
    let ending = path.extension().and_then(OsStr::to_str);
    matches!(ending, Some("toml" | "cedar"))
}

fn leads_out(path: &Path, target: &OsStr) -> Unreadable {
    Unreadable::not_in_tree(format!(
        "`{}` is a symbolic link that leads out of the repository (`{}`)",
        path.display(),
        target.display()
    ))
}
