//! A policy as it stands in a revision of the git repository that holds its directory.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use taskpass_broker::config::policy_files;
use taskpass_broker::domain::policy::SourceFile;

use crate::commands::policy::loaded::{Loaded, beside, compile, facts};
use crate::failure::Failure;

/// Bytes of a policy in a revision: as much as is read from a directory.
const MAX_BYTES: usize = 80 * 1024 * 1024;

/// Reads and compiles the directory as it stands in the revision, with the facts beside it there.
pub(super) fn load(
    directory: &Path,
    revision: &str,
    named: Option<&Path>,
) -> Result<Loaded, Failure> {
    let folder = tempfile::tempdir().map_err(|error| failure(revision, &error))?;
    let prefix = git(directory, &["rev-parse", "--show-prefix"])
        .map_err(|error| failure(revision, &error))?;
    let prefix = PathBuf::from(OsStr::from_bytes(prefix.trim_ascii()));
    let installation = prefix
        .parent()
        .map(|parent| parent.join("installation.toml"));
    let paths = [Some(prefix.clone()), installation.clone()];
    let paths: Vec<PathBuf> = paths.into_iter().flatten().collect();
    write(directory, revision, &paths, folder.path()).map_err(|error| failure(revision, &error))?;
    let at = folder.path().join(&prefix);
    if !at.is_dir() {
        let what = format!("there is no `{}` in it", prefix.display());
        return Err(failure(revision, &what));
    }
    let of_revision = |name: &Path| format!("{revision}:{}", name.display());
    let files = policy_files::read(&at).map_err(|error| failure(revision, &error))?;
    let files = files
        .into_iter()
        .map(|file| SourceFile::new(of_revision(&prefix.join(&*file.name)), file.bytes));
    let then = installation.filter(|path| folder.path().join(path).is_file());
    let facts = match (named, then) {
        (None, Some(path)) => {
            let file = facts(&at, Some(&folder.path().join(&path)))?;
            SourceFile::new(of_revision(&path), file.bytes)
        }
        // It need not be in the repository.
        (named, _) => facts(
            directory,
            Some(&named.map_or_else(|| beside(directory), Path::to_owned)),
        )?,
    };
    compile(&files.collect::<Vec<_>>(), facts)
}

/// Writes what the revision has below some paths.
fn write(directory: &Path, revision: &str, paths: &[PathBuf], to: &Path) -> Result<(), String> {
    let tree = format!("{revision}^{{tree}}");
    let mut list = ["ls-tree", "-r", "-z", "--full-tree", &tree, "--"]
        .map(OsStr::new)
        .to_vec();
    // At the top of the repository, everything is listed.
    let all = paths.iter().any(|path| path.as_os_str().is_empty());
    list.extend(paths.iter().filter(|_| !all).map(|path| path.as_os_str()));
    let listed = git(directory, &list)?;
    let files = listed.split(|byte| *byte == 0).filter_map(file);
    let files: Vec<(&[u8], &Path)> = files.filter(|(_, path)| is_below(path)).collect();
    let wanted = to.join(".wanted");
    let lines: Vec<u8> = files
        .iter()
        .flat_map(|(id, _)| [id, &b"\n"[..]].concat())
        .collect();
    fs::write(&wanted, lines).map_err(said)?;
    let asked = File::open(&wanted).map_err(said)?;
    let mut child = command(directory, &["cat-file", "--batch"])
        .stdin(asked)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(no_git)?;
    let mut out = BufReader::new(child.stdout.take().ok_or("git has no output")?);
    let mut total = 0;
    for (_, path) in &files {
        let bytes = blob(&mut out, &mut total)?;
        let path = to.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(said)?;
        }
        let file = File::create(path);
        file.and_then(|mut file| file.write_all(&bytes))
            .map_err(said)?;
    }
    drop(out);
    child.wait().map_err(said)?;
    fs::remove_file(wanted).map_err(said)
}

/// `<id> blob <size>`, the bytes, and a line break.
fn blob(out: &mut impl BufRead, total: &mut usize) -> Result<Vec<u8>, String> {
    let mut head = String::new();
    out.read_line(&mut head).map_err(said)?;
    let size = head
        .split_whitespace()
        .nth(2)
        .and_then(|size| size.parse::<usize>().ok());
    let size = size.ok_or_else(|| format!("git does not give a file: {}", head.trim()))?;
    *total += size;
    if *total > MAX_BYTES {
        return Err("it is larger than any policy".to_owned());
    }
    let mut bytes = vec![0; size + 1];
    out.read_exact(&mut bytes).map_err(said)?;
    bytes.pop();
    Ok(bytes)
}

/// A file of a listing: `<mode> blob <id>\t<path>`. Links lead nowhere here.
fn file(line: &[u8]) -> Option<(&[u8], &Path)> {
    let tab = line.iter().position(|byte| *byte == b'\t')?;
    let (head, path) = line.split_at(tab);
    let mut head = head.split(|byte| *byte == b' ');
    let (mode, kind, id) = (head.next()?, head.next()?, head.next()?);
    let is_file = mode.starts_with(b"100") && kind == b"blob";
    is_file.then(|| {
        (
            id,
            Path::new(OsStr::from_bytes(path.get(1..).unwrap_or_default())),
        )
    })
}

fn is_below(path: &Path) -> bool {
    path.components()
        .all(|component| matches!(component, Component::Normal(_)))
}

fn git<S: AsRef<OsStr>>(directory: &Path, words: &[S]) -> Result<Vec<u8>, String> {
    let output = command(directory, words).output().map_err(no_git)?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}

fn command<S: AsRef<OsStr>>(directory: &Path, words: &[S]) -> Command {
    let mut command = Command::new("git");
    command
        .arg("-C")
        .arg(directory)
        .args(words)
        .stdin(Stdio::null());
    command
}

fn no_git(error: impl std::fmt::Display) -> String {
    format!("`git` does not start: {error}")
}

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn failure(revision: &str, why: &dyn std::fmt::Display) -> Failure {
    Failure::usage(format!("cannot read the policy of revision `{revision}`"))
        .why(why)
        .remedy("name a revision of the repository that holds the directory, for instance `origin/main`")
}
