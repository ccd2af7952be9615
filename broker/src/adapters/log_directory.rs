//! The audit log as plain files in a directory, as any web server could serve them.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::domain::tlog::TilePath;
use crate::domain::tlog::note::MAX_NOTE_BYTES;
use crate::domain::tlog::tile::TILE_WIDTH;
use crate::ports::log_files::{LogFiles, LogWriter};

/// The name of the published checkpoint.
const CHECKPOINT: &str = "checkpoint";
/// Where logs lie that were set aside.
const BEFORE: &str = "before";
/// More than the largest file has: a full bundle of the longest entries.
const MAX_BYTES: u64 = 256 * (65_535 + 2);

/// A directory with a log in it.
#[derive(Debug, Clone)]
pub struct LogDirectory(PathBuf);

impl LogDirectory {
    /// The log in this directory, which need not be there yet.
    pub fn new(directory: &Path) -> Self {
        Self(directory.to_owned())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    fn read(&self, name: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let file = match File::open(self.0.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            // A full tile has a file where a partial one has a directory, and the other way round.
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(None),
            other => other?,
        };
        let mut bytes = Vec::new();
        file.take(limit + 1).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// Writes beside and renames, so that nobody reads half a file. The directory is not synced yet.
    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<PathBuf> {
        let path = self.0.join(name);
        let directory = path.parent().unwrap_or(&self.0).to_owned();
        make_directories(&directory)?;
        let beside = path.with_added_extension("new");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside);
        let mut file = file?;
        file.write_all(bytes)?;
        file.sync_data()?;
        fs::rename(&beside, &path)?;
        Ok(directory)
    }
}

impl LogFiles for LogDirectory {
    fn checkpoint(&self) -> io::Result<Option<Vec<u8>>> {
        self.read(CHECKPOINT, MAX_NOTE_BYTES as u64)
    }

    fn tile(&self, path: TilePath) -> io::Result<Option<Vec<u8>>> {
        self.read(&path.to_string(), MAX_BYTES)
    }
}

impl LogWriter for LogDirectory {
    fn write(&self, files: &[(TilePath, Vec<u8>)]) -> io::Result<()> {
        let mut directories = BTreeSet::new();
        for (path, bytes) in files {
            directories.insert(self.replace(&path.to_string(), bytes)?);
        }
        directories.iter().try_for_each(|directory| sync(directory))
    }

    fn publish(&self, checkpoint: &str, full: &[TilePath]) -> io::Result<()> {
        sync(&self.replace(CHECKPOINT, checkpoint.as_bytes())?)?;
        for path in full.iter().filter(|path| path.width() == TILE_WIDTH) {
            match fs::remove_dir_all(self.0.join(format!("{path}.p"))) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn set_aside(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let aside = format!("{BEFORE}/{name}");
        let directory = self.0.join(&aside);
        make_directories(&directory)?;
        // The checkpoint goes last: until then the log is whole here or there, never without it.
        for part in ["tile", CHECKPOINT] {
            match fs::rename(self.0.join(part), directory.join(part)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        sync(&directory)?;
        sync(&self.0)?;
        self.read(&format!("{aside}/{CHECKPOINT}"), MAX_NOTE_BYTES as u64)
    }
}

/// Makes a directory and those above it, private to the broker's user, each durable in the one above.
fn make_directories(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    let above = directory.parent().unwrap_or(Path::new("/"));
    make_directories(above)?;
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    sync(above)
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
