//! Decides when what was read from files takes the place of what is in force.

use std::sync::Arc;

use ring::digest::{Context, SHA256};
use zeroize::Zeroizing;

use super::FileSource;
use super::error::FileError;
use crate::source::count;

/// How values are made from files.
pub(super) trait Load: Send + Sync + 'static {
    /// What the files hold.
    type Value: Send + Sync + 'static;

    /// Reads all files, in an order that never changes.
    fn read(&self) -> Result<Vec<Zeroizing<Vec<u8>>>, FileError>;

    /// Makes a value of what was read, if it is good at this moment and may take the place of what
    /// is in force.
    fn parse(
        &self,
        contents: &[Zeroizing<Vec<u8>>],
        in_force: Option<&Self::Value>,
    ) -> Result<Self::Value, FileError>;

    /// Checks that what is in force is still good at this moment.
    fn recheck(&self, in_force: &Self::Value) -> Result<(), FileError>;

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
        let value = load.parse(&contents, None)?;
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
        let in_force = self.source.current();
        if found == self.in_force {
            self.seen = None;
            self.load.recheck(&in_force)?;
            self.source.report(None);
            return Ok(None);
        }
        if self.seen.replace(found) != Some(found) {
            // Somebody may still be writing.
            return Ok(None);
        }
        let value = self.load.parse(&contents, Some(&in_force))?;
        self.in_force = found;
        self.seen = None;
        Ok(Some(value))
    }

    fn report(&self, problem: FileError) {
        if self.source.problem().as_deref() != Some(&problem) {
            tracing::warn!(error = %problem, "identity files have a problem");
            count("files", &problem);
            self.source.report(Some(Arc::new(problem)));
        }
    }
}

impl<L: Load> Poll for Poller<L> {
    fn poll(&mut self) {
        match self.look() {
            Ok(None) => {}
            Ok(Some(value)) => {
                self.load.log(&value);
                self.source.publish(value);
                self.source.report(None);
            }
            Err(problem) => self.report(problem),
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::super::error::WhyFile;
    use super::*;

    /// Files whose content a test decides on; content that begins with `!` is bad.
    #[derive(Clone)]
    struct Fake(Arc<Mutex<&'static str>>);

    impl Fake {
        fn write(&self, content: &'static str) {
            *self.0.lock().unwrap() = content;
        }
    }

    impl Load for Fake {
        type Value = String;

        fn read(&self) -> Result<Vec<Zeroizing<Vec<u8>>>, FileError> {
            let content = *self.0.lock().unwrap();
            Ok(vec![Zeroizing::new(content.into())])
        }

        fn parse(
            &self,
            contents: &[Zeroizing<Vec<u8>>],
            _: Option<&String>,
        ) -> Result<String, FileError> {
            let content = String::from_utf8(contents[0].to_vec()).unwrap();
            if content.starts_with('!') {
                let (path, why) = ("fake".into(), WhyFile::Missing);
                return Err(FileError { path, why });
            }
            Ok(content)
        }

        fn recheck(&self, _: &String) -> Result<(), FileError> {
            Ok(())
        }

        fn log(&self, _: &String) {}
    }

    /// What is in force after a look, and whether there is a problem.
    fn after(content: &'static str, files: &Fake, poller: &mut Poller<Fake>) -> (String, bool) {
        files.write(content);
        poller.poll();
        let value = poller.source.current().to_string();
        (value, poller.source.problem().is_some())
    }

    #[test]
    fn takes_over_what_it_read_twice_the_same_and_was_good() {
        let files = Fake(Arc::new(Mutex::new("a")));
        let (mut poller, _) = Poller::open(files.clone()).unwrap();
        let steps = [
            ("a", "a", false),
            // Seen once, and then something else: somebody is writing.
            ("b", "a", false),
            ("bb", "a", false),
            ("bbb", "a", false),
            ("bbb", "bbb", false),
            ("bbb", "bbb", false),
            // Gone before it was seen twice, and seen again much later.
            ("c", "bbb", false),
            ("bbb", "bbb", false),
            ("c", "bbb", false),
            ("c", "c", false),
            // Bad content is a problem from the second time on, until it is good or as before.
            ("!", "c", false),
            ("!", "c", true),
            ("!", "c", true),
            ("d", "c", true),
            ("d", "d", false),
            ("!!", "d", false),
            ("!!", "d", true),
            ("d", "d", false),
        ];
        for (step, (content, value, problem)) in steps.into_iter().enumerate() {
            let found = after(content, &files, &mut poller);
            assert_eq!(found, (value.to_owned(), problem), "step {step}");
        }
    }
}
