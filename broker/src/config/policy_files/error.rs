//! Why policy files cannot be read.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::MAX_FILES;
use super::walk::{MAX_DEPTH, MAX_DIRECTORIES, MAX_ENTRIES};

/// Problems that are told one by one.
const MAX_TOLD: usize = 20;

/// Policy files that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A file or directory.
    #[error("cannot read `{}`: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A device, a pipe or a socket: reading it might never end.
    #[error("`{}` is not a file", .0.display())]
    NotAFile(PathBuf),
    /// A file that is larger than any policy.
    #[error("`{}` is larger than 1 MiB; split it", .0.display())]
    TooLarge(PathBuf),
    /// All files together.
    #[error("the files below `{}` are more than {MAX_FILES}, or more than 64 MiB together", .0.display())]
    TooMuch(PathBuf),
    /// Directories within directories, or a link that leads back.
    #[error("`{}` lies more than {MAX_DEPTH} directories deep; does a symbolic link lead back?", .0.display())]
    TooDeep(PathBuf),
    /// Too much to look through, each second: links that fan out, or a directory that holds other things.
    #[error(
        "below `{}` there are more than {MAX_DIRECTORIES} directories or {MAX_ENTRIES} entries; do symbolic links lead to one another, or is this not the policy directory?",
        .0.display()
    )]
    TooManyEntries(PathBuf),
    /// A file whose ending is almost that of a policy file: passing over a rule in silence is a hole.
    #[error("`{}` ends neither in `.toml` nor in `.cedar`; rename it, or move it elsewhere", .0.display())]
    Ending(PathBuf),
    /// No file at all.
    #[error("there is no `*.toml` or `*.cedar` file below `{}`; is this the policy directory?", .0.display())]
    Nothing(PathBuf),
    /// Several of the above, a line each.
    #[error("{0}")]
    Several(Problems),
}

/// Several things that are wrong with a policy's files.
#[derive(Debug)]
pub struct Problems {
    /// The first ones, in the order of their paths.
    pub told: Vec<SourceError>,
    /// How many more there are.
    pub untold: usize,
}

impl SourceError {
    /// One error of all that is wrong; none if nothing is.
    pub(super) fn of_all(mut problems: Vec<Self>) -> Option<Self> {
        if problems.len() <= 1 {
            return problems.pop();
        }
        // So that the same problems are the same text, in whatever order a directory lists its entries.
        problems.sort_by(|one, other| one.path().cmp(&other.path()));
        let untold = problems.len().saturating_sub(MAX_TOLD);
        problems.truncate(MAX_TOLD);
        Some(Self::Several(Problems {
            told: problems,
            untold,
        }))
    }

    fn path(&self) -> Option<&Path> {
        match self {
            Self::Unreadable { path, .. }
            | Self::NotAFile(path)
            | Self::TooLarge(path)
            | Self::TooMuch(path)
            | Self::TooDeep(path)
            | Self::TooManyEntries(path)
            | Self::Ending(path)
            | Self::Nothing(path) => Some(path),
            Self::Several(_) => None,
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.told.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))?;
        if self.untold > 0 {
            write!(f, "\nand {} more files or directories", self.untold)?;
        }
        Ok(())
    }
}
