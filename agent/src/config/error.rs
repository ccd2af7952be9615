//! Why a configuration cannot be used.

use std::io;
use std::path::PathBuf;

use crate::callers::mapping::Overlap;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Not TOML, an unknown key, or a value of another kind.
    #[error("{}:{line}:{column}: {message}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is wrong, with the text underlined.
        message: String,
    },
    /// A value that cannot be.
    #[error("{}: {key}: {message}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The value's place in the file.
        key: String,
        /// What is wrong and what to write instead.
        message: String,
    },
    /// It is not clear who is which workload.
    #[error(transparent)]
    Overlap(#[from] Overlap),
}
