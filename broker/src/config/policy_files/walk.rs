//! What lies below a policy directory, within bounds.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::SourceError;
use super::{metadata, unreadable};

/// Directories within directories.
pub(super) const MAX_DEPTH: usize = 16;
/// Directories that are looked into. Links fan out: fifteen levels of four links lead to a billion.
pub(super) const MAX_DIRECTORIES: usize = 5_000;
/// Entries that are looked at, whatever they are.
pub(super) const MAX_ENTRIES: usize = 50_000;

/// What a walk comes upon, directories aside.
pub(super) enum Found {
    /// Something that is no directory.
    File(PathBuf),
    /// Something whose name begins with a dot: it may be anything, and nothing below it is looked at.
    /// Kubernetes mounts configuration through hidden directories with other names for the same files.
    Hidden(PathBuf),
    /// Something that cannot be looked at.
    Problem(SourceError),
}

/// Tells everything below a directory, in no order. What is too much ends the walk.
pub(super) fn walk(root: &Path, tell: &mut dyn FnMut(Found)) -> Result<(), SourceError> {
    let too_many = || SourceError::TooManyEntries(root.to_owned());
    let mut entries = 0;
    let mut directories = 1;
    let mut is_too_deep = false;
    let mut ahead = vec![(root.to_owned(), 0)];
    while let Some((directory, depth)) = ahead.pop() {
        if depth > MAX_DEPTH {
            // Where one link leads back, there is no end of such places.
            if !std::mem::replace(&mut is_too_deep, true) {
                tell(Found::Problem(SourceError::TooDeep(directory)));
            }
            continue;
        }
        let listed = match fs::read_dir(&directory) {
            Ok(listed) => listed,
            Err(source) => {
                tell(Found::Problem(unreadable(&directory, source)));
                continue;
            }
        };
        for entry in listed {
            entries += 1;
            if entries > MAX_ENTRIES {
                return Err(too_many());
            }
            match entry.map_err(|source| unreadable(&directory, source)) {
                Ok(entry) => match look(entry.path()) {
                    Seen::Directory(below) => {
                        directories += 1;
                        if directories > MAX_DIRECTORIES {
                            return Err(too_many());
                        }
                        ahead.push((below, depth + 1));
                    }
                    Seen::Other(found) => tell(found),
                },
                Err(problem) => {
                    tell(Found::Problem(problem));
                    break;
                }
            }
        }
    }
    Ok(())
}

enum Seen {
    Directory(PathBuf),
    Other(Found),
}

fn look(path: PathBuf) -> Seen {
    let name = path.file_name().unwrap_or_default();
    if name.as_encoded_bytes().starts_with(b".") {
        return Seen::Other(Found::Hidden(path));
    }
    match metadata(&path) {
        Ok(metadata) if metadata.is_dir() => Seen::Directory(path),
        Ok(_) => Seen::Other(Found::File(path)),
        Err(problem) => Seen::Other(Found::Problem(problem)),
    }
}
