//! Decides when what was read from files takes the place of what is in force.

use std::sync::Arc;

use ring::digest::{Context, SHA256};
use zeroize::Zeroizing;

use super::FileSource;
use super::error::FileError;

/// How values are made from files.
pub(super) trait Load: Send + Sync + 'static {
    /// What the files hold.
    type Value: Send + Sync + 'static;

    /// Reads all files, in an order that never changes.
    fn read(&self) -> Result<Vec<Zeroizing<Vec<u8>>>, FileError>;

    /// Makes a value of what was read, if it is good at this moment.
    fn parse(&self, contents: &[Zeroizing<Vec<u8>>]) -> Result<Self::Value, FileError>;

    /// Writes a log line on a value that is now in force.
    fn log(&self, value: &Self::Value);
}

/// Looks once whether files have changed.
pub(super) trait Poll: Send + 'static {
    /// Reads the files and takes over what is new and good.
    fn poll(&mut self);
}

type Digest = [u8; 32];

/// The files of one [`FileSource`], and what is known about their content.
pub(super) struct Poller<L: Load> {
    load: L,
    source: FileSource<L::Value>,
    in_force: Digest,
    /// Other content than what is in force, as it was seen last.
    seen: Option<Digest>,
}

impl<L: Load> Poller<L> {
    /// Reads the files for the first time.
    pub(super) fn open(load: L) -> Result<(Self, FileSource<L::Value>), FileError> {
        let contents = load.read()?;
        let value = load.parse(&contents)?;
        load.log(&value);
        let source = FileSource::new(value);
        let poller = Self {
            load,
            source: source.clone(),
            in_force: digest(&contents),
            seen: None,
        };
        Ok((poller, source))
    }

    /// Returns a new value, if there is one to take over.
    fn look(&mut self) -> Result<Option<L::Value>, FileError> {
        let contents = self.load.read()?;
        let found = digest(&contents);
        if found == self.in_force {
            self.seen = None;
            self.report(None);
            return Ok(None);
        }
        if self.seen.replace(found) != Some(found) {
            // Somebody may still be writing.
            return Ok(None);
        }
        let value = self.load.parse(&contents)?;
        self.in_force = found;
        self.seen = None;
        Ok(Some(value))
    }

    fn report(&self, problem: Option<FileError>) {
        self.source.problem.send_if_modified(|current| {
            if current.as_deref() == problem.as_ref() {
                return false;
            }
            if let Some(problem) = &problem {
                tracing::warn!(error = %problem, "identity file not taken over, the old one stays");
            }
            *current = problem.map(Arc::new);
            true
        });
    }
}

impl<L: Load> Poll for Poller<L> {
    fn poll(&mut self) {
        match self.look() {
            Ok(None) => {}
            Ok(Some(value)) => {
                self.load.log(&value);
                self.source.value.send_replace(Arc::new(value));
                self.report(None);
            }
            Err(problem) => self.report(Some(problem)),
        }
    }
}

fn digest(contents: &[Zeroizing<Vec<u8>>]) -> Digest {
    let mut context = Context::new(&SHA256);
    for content in contents {
        context.update(&content.len().to_be_bytes());
        context.update(content);
    }
    let mut digest = Digest::default();
    digest.copy_from_slice(context.finish().as_ref());
    digest
}
