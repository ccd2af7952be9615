//! `git`, asked about objects.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Seek as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Unreadable;

/// Bytes of a policy in a revision: as much as is read from a directory.
const MAX_BYTES: usize = 80 * 1024 * 1024;

/// `git` at the top of a repository.
#[derive(Debug)]
pub(super) struct Git<'a> {
    top: &'a Path,
}

impl<'a> Git<'a> {
    pub(super) fn new(top: &'a Path) -> Self {
        Self { top }
    }

    /// The top of the repository.
    pub(super) fn top(&self) -> Result<PathBuf, Unreadable> {
        let top = self.output(&["rev-parse", "--show-toplevel"])?;
        Ok(PathBuf::from(OsStr::from_bytes(top.trim_ascii_end())))
    }

    /// Whether the repository is a submodule of another one, which says what of it is meant.
    pub(super) fn is_submodule(&self) -> Result<bool, Unreadable> {
        let above = self.output(&["rev-parse", "--show-superproject-working-tree"])?;
        Ok(!above.trim_ascii().is_empty())
    }

    /// The tree of a revision.
    pub(super) fn tree(&self, revision: &str) -> Result<String, Unreadable> {
        if revision.starts_with('-') {
            return Err(Unreadable::new("no revision begins with `-`"));
        }
        let tree = format!("{revision}^{{tree}}");
        let id = self.output(&["rev-parse", "--verify", &tree])?;
        Ok(String::from_utf8_lossy(&id).trim().to_owned())
    }

    /// What stands in one directory of a tree: `<mode> <kind> <id>\t<name>`, each ended by a zero byte.
    pub(super) fn list(&self, tree: &str) -> Result<Vec<u8>, Unreadable> {
        self.output(&["ls-tree", "-z", "--full-tree", tree])
    }

    /// Whether the work tree's index has the path.
    pub(super) fn is_tracked(&self, path: &Path) -> Result<bool, Unreadable> {
        let words = [OsStr::new("ls-files"), OsStr::new("-z"), OsStr::new("--")];
        let words = [&words[..], &[path.as_os_str()]].concat();
        Ok(!self.output(&words)?.is_empty())
    }

    /// The bytes of some files, in this order.
    pub(super) fn files(
        &self,
        ids: &[&str],
        mut each: impl FnMut(usize, Vec<u8>) -> Result<(), Unreadable>,
    ) -> Result<(), Unreadable> {
        let mut wanted = tempfile::tempfile()?;
        wanted.write_all(
            ids.iter()
                .flat_map(|id| [id, "\n"])
                .collect::<String>()
                .as_bytes(),
        )?;
        wanted.rewind()?;
        let mut child = self
            .command(&["cat-file", "--batch"])
            .stdin(wanted)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| no_git(&error))?;
        let out = child.stdout.take();
        let mut out = BufReader::new(out.ok_or_else(|| Unreadable::new("git has no output"))?);
        let mut total = 0;
        for position in 0..ids.len() {
            each(position, file(&mut out, &mut total)?)?;
        }
        drop(out);
        child.wait()?;
        Ok(())
    }

    fn output<S: AsRef<OsStr>>(&self, words: &[S]) -> Result<Vec<u8>, Unreadable> {
        let output = self
            .command(words)
            .output()
            .map_err(|error| no_git(&error))?;
        if output.status.success() {
            Ok(output.stdout)
        } else {
            Err(Unreadable::new(
                String::from_utf8_lossy(&output.stderr).trim(),
            ))
        }
    }

    fn command<S: AsRef<OsStr>>(&self, words: &[S]) -> Command {
        let mut command = Command::new("git");
        // Paths are paths here, not patterns.
        command.arg("--literal-pathspecs").arg("-C").arg(self.top);
        command.args(words).stdin(Stdio::null());
        command
    }
}

/// `<id> blob <size>`, the bytes, and a line break.
fn file(out: &mut impl BufRead, total: &mut usize) -> Result<Vec<u8>, Unreadable> {
    let mut head = String::new();
    out.read_line(&mut head)?;
    let size = head
        .split_whitespace()
        .nth(2)
        .and_then(|size| size.parse::<usize>().ok());
    let size =
        size.ok_or_else(|| Unreadable::new(format!("git does not give a file: {}", head.trim())))?;
    *total += size;
    if *total > MAX_BYTES {
        return Err(Unreadable::new("it is larger than any policy"));
    }
    let mut bytes = vec![0; size + 1];
    out.read_exact(&mut bytes)?;
    bytes.pop();
    Ok(bytes)
}

fn no_git(error: &std::io::Error) -> Unreadable {
    Unreadable::new(format!("`git` does not start: {error}"))
}
