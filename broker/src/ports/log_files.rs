//! The audit log's tiles and checkpoint, and who signs it.

use std::io;

use crate::domain::tlog::TilePath;

/// Reads the files of the log.
pub trait LogFiles: Send + Sync {
    /// The published checkpoint; none before the first.
    fn checkpoint(&self) -> io::Result<Option<Vec<u8>>>;

    /// A tile or an entry bundle; none when there is no such file.
    fn tile(&self, path: TilePath) -> io::Result<Option<Vec<u8>>>;
}

/// Writes the files of the log. What a method has answered survives a power cut.
pub trait LogWriter: LogFiles {
    /// Writes tiles and entry bundles.
    fn write(&self, files: &[(TilePath, Vec<u8>)]) -> io::Result<()>;

    /// Publishes a checkpoint in the place of the one before, and forgets the partial tiles that these full
    /// ones replace.
    fn publish(&self, checkpoint: &str, full: &[TilePath]) -> io::Result<()>;

    /// Sets the whole log aside under this name, so that another can begin. Answers its checkpoint, also
    /// when it was set aside before.
    fn set_aside(&self, name: &str) -> io::Result<Option<Vec<u8>>>;
}

/// Signs checkpoints with Ed25519.
pub trait CheckpointSigner: Send + Sync {
    /// The public key.
    fn public_key(&self) -> [u8; 32];

    /// The signature of a text.
    fn sign(&self, text: &str) -> Vec<u8>;
}

/// Files in memory, for tests.
#[cfg(test)]
pub mod fake {
    use std::collections::BTreeMap;

    use parking_lot::Mutex;

    use super::{LogFiles, LogWriter, TilePath, io};

    /// Files by their paths; `fails` makes every write fail.
    #[derive(Default)]
    pub struct FilesInMemory {
        /// The files.
        pub files: Mutex<BTreeMap<String, Vec<u8>>>,
        /// How many writes may yet succeed; none for any number.
        pub writes_left: Mutex<Option<usize>>,
    }

    impl FilesInMemory {
        fn put(&self, path: String, bytes: &[u8]) -> io::Result<()> {
            if let Some(left) = self.writes_left.lock().as_mut() {
                *left = left
                    .checked_sub(1)
                    .ok_or(io::Error::from(io::ErrorKind::StorageFull))?;
            }
            self.files.lock().insert(path, bytes.to_vec());
            Ok(())
        }
    }

    impl LogFiles for FilesInMemory {
        fn checkpoint(&self) -> io::Result<Option<Vec<u8>>> {
            Ok(self.files.lock().get("checkpoint").cloned())
        }

        fn tile(&self, path: TilePath) -> io::Result<Option<Vec<u8>>> {
            Ok(self.files.lock().get(&path.to_string()).cloned())
        }
    }

    impl LogWriter for FilesInMemory {
        fn write(&self, files: &[(TilePath, Vec<u8>)]) -> io::Result<()> {
            files
                .iter()
                .try_for_each(|(path, bytes)| self.put(path.to_string(), bytes))
        }

        fn publish(&self, checkpoint: &str, full: &[TilePath]) -> io::Result<()> {
            self.put("checkpoint".to_owned(), checkpoint.as_bytes())?;
            let stale = |name: &String| {
                full.iter()
                    .any(|path| name.starts_with(&format!("{path}.p/")))
            };
            self.files.lock().retain(|name, _| !stale(name));
            Ok(())
        }

        fn set_aside(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
            let mut files = self.files.lock();
            let moved = std::mem::take(&mut *files).into_iter();
            *files = moved
                .map(|(path, bytes)| {
                    if path.starts_with("before/") {
                        (path, bytes)
                    } else {
                        (format!("before/{name}/{path}"), bytes)
                    }
                })
                .collect();
            Ok(files.get(&format!("before/{name}/checkpoint")).cloned())
        }
    }
}
