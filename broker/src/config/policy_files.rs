//! Reads policy files into memory, bounded: what is too much or cannot be read is an error that says where.

mod error;
mod passed_over;
#[cfg(test)]
mod tests;
mod walk;

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

pub use self::error::{Problems, SourceError};
pub use self::passed_over::passed_over;
use self::walk::{Found, walk};
use crate::domain::policy::SourceFile;

const MAX_FILE_BYTES: u64 = 1024 * 1024;
const MAX_TOTAL_BYTES: u64 = 64 * 1024 * 1024;
const MAX_FILES: usize = 10_000;
/// How the names of test files end: they stand beside the policy, and are no part of it.
const TESTS: &str = ".test.toml";

/// Reads every `*.toml` and `*.cedar` below a directory, or one file, in the order of their paths. Names of
/// files are relative to the directory. Hidden files and directories are passed over, and so are tests.
///
/// Everything that is wrong is told at once, as far as it can be.
pub fn read(directory: &Path) -> Result<Vec<SourceFile>, SourceError> {
    let mut listing = Listing::of(directory)?;
    if metadata(directory)?.is_dir() {
        listing.files.retain(|path| !is_test(path));
    }
    if listing.files.is_empty() && listing.problems.is_empty() {
        return Err(SourceError::Nothing(directory.to_owned()));
    }
    listing.read(directory)
}

/// Reads the tests below a directory, perhaps none: every `*.test.toml`.
pub fn read_tests(directory: &Path) -> Result<Vec<SourceFile>, SourceError> {
    let mut listing = Listing::of(directory)?;
    listing.files.retain(|path| is_test(path));
    listing.read(directory)
}

/// Reads one file.
pub fn read_one(path: &Path) -> Result<SourceFile, SourceError> {
    let failed = |source| unreadable(path, source);
    let metadata = metadata(path)?;
    // Opening a pipe would wait for its other end.
    if !metadata.is_file() {
        return Err(SourceError::NotAFile(path.to_owned()));
    }
    let too_large = || SourceError::TooLarge(path.to_owned());
    if metadata.len() > MAX_FILE_BYTES {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    // It may grow while it is read.
    let file = fs::File::open(path).map_err(failed)?;
    file.take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(too_large());
    }
    Ok(SourceFile::new(path.to_string_lossy().into_owned(), bytes))
}

/// The files below a directory that policy is read from, and what is wrong with others.
#[derive(Default)]
struct Listing {
    files: Vec<PathBuf>,
    problems: Vec<SourceError>,
}

impl Listing {
    fn of(directory: &Path) -> Result<Self, SourceError> {
        let mut listing = Self::default();
        if metadata(directory)?.is_dir() {
            walk(directory, &mut |found| listing.take(found))?;
        } else {
            listing.files.push(directory.to_owned());
        }
        if listing.files.len() > MAX_FILES {
            return Err(SourceError::TooMuch(directory.to_owned()));
        }
        listing.files.sort();
        Ok(listing)
    }

    fn take(&mut self, found: Found) {
        let path = match found {
            Found::File(path) => path,
            Found::Hidden(_) => return,
            Found::Problem(problem) => return self.problems.push(problem),
        };
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("toml" | "cedar") => self.files.push(path),
            Some(ending) if is_misspelt(ending) => self.problems.push(SourceError::Ending(path)),
            Some(_) | None => {}
        }
    }

    fn read(self, directory: &Path) -> Result<Vec<SourceFile>, SourceError> {
        let mut problems = self.problems;
        let mut total = 0;
        let mut files = Vec::new();
        for path in self.files {
            let mut file = match read_one(&path) {
                Ok(file) => file,
                Err(problem) => {
                    problems.push(problem);
                    continue;
                }
            };
            total += file.bytes.len() as u64;
            if total > MAX_TOTAL_BYTES {
                return Err(SourceError::TooMuch(directory.to_owned()));
            }
            if let Some(name) = path.strip_prefix(directory).ok().and_then(Path::to_str)
                && !name.is_empty()
            {
                file.name = name.into();
            }
            files.push(file);
        }
        SourceError::of_all(problems).map_or(Ok(files), Err)
    }
}

fn is_test(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.as_encoded_bytes().ends_with(TESTS.as_bytes()))
}

/// Endings that were likely meant to be `toml` or `cedar`.
fn is_misspelt(ending: &str) -> bool {
    const MEANT: [&str; 6] = ["tml", "tolm", "ceder", "cdar", "yaml", "yml"];
    let lower = ending.to_ascii_lowercase();
    MEANT.contains(&&*lower) || ["toml", "cedar"].contains(&&*lower)
}

fn metadata(path: &Path) -> Result<fs::Metadata, SourceError> {
    fs::metadata(path).map_err(|source| unreadable(path, source))
}

fn unreadable(path: &Path, source: io::Error) -> SourceError {
    SourceError::Unreadable {
        path: path.to_owned(),
        source,
    }
}
