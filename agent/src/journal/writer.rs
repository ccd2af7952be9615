//! The thread that writes the journal: whatever waits is written together and synced once.

use tokio::sync::mpsc::UnboundedReceiver;

use super::entry::Entry;
use super::file::JournalFile;
use super::{Journal, NotWritten, What, Write};

/// Lines that are written together at most.
const GROUP: usize = 256;

/// Writes what a [`Journal`] says.
#[derive(Debug)]
pub struct Writer {
    file: JournalFile,
    writes: UnboundedReceiver<Write>,
}

impl Writer {
    /// A writer of this file, and the journal that it writes for.
    pub fn new(file: JournalFile) -> (Self, Journal) {
        let (journal, writes) = Journal::new();
        (Self { file, writes }, journal)
    }

    /// Writes until nobody can say anything any more. It blocks: it wants a thread of its own.
    pub fn run(mut self) {
        while let Some(group) = next_group(&mut self.writes) {
            self.write(group);
        }
    }

    fn write(&mut self, group: Vec<Write>) {
        let (mut entries, mut waiting) = (Vec::<Entry>::new(), Vec::new());
        for Write { what, durable } in group {
            match what {
                What::Entry(entry) => entries.push(entry),
                What::Nothing => {}
                What::Anew => self.file.distrust(),
            }
            waiting.extend(durable);
        }
        let written = self.file.write(&entries, !waiting.is_empty());
        let written = written.map_err(NotWritten::from);
        if let Err(error) = &written {
            tracing::error!(%error, "the journal cannot be written");
        }
        for waiting in waiting {
            let _ = waiting.send(written.clone());
        }
    }
}

/// Everything that waits, in order; `None` once nothing can come any more.
fn next_group(writes: &mut UnboundedReceiver<Write>) -> Option<Vec<Write>> {
    let mut group = Vec::new();
    let first = writes.blocking_recv()?;
    group.push(first);
    while group.len() < GROUP
        && let Ok(next) = writes.try_recv()
    {
        group.push(next);
    }
    Some(group)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use taskpass_proto::ids::JobId;

    use super::super::entry::tests::{id, record};
    use super::*;

    #[test]
    fn whatever_waits_is_one_group_in_its_order() {
        let (journal, mut writes) = Journal::new();
        let promises: Vec<_> = (0..40).map(|n| journal.opening(id(n), record())).collect();
        let group = next_group(&mut writes).unwrap();
        let jobs: Vec<JobId> = group
            .iter()
            .map(|write| match &write.what {
                What::Entry(entry) => entry.job().parse().unwrap(),
                What::Nothing | What::Anew => panic!("{write:?}"),
            })
            .collect();
        assert_eq!(jobs, (0..40).map(id).collect::<Vec<_>>());
        drop((promises, journal));
        assert!(next_group(&mut writes).is_none());
    }

    #[tokio::test]
    async fn what_was_promised_is_in_the_file_when_the_promise_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (file, _) = JournalFile::open(folder.path()).unwrap();
        let (writer, journal) = Writer::new(file);
        let writing = thread::spawn(move || writer.run());
        for n in 0..10 {
            journal.opening(id(n), record()).wait().await.unwrap();
            let text = std::fs::read_to_string(folder.path().join("journal")).unwrap();
            assert!(text.contains(&id(n).to_string()), "{text}");
        }
        journal.gone(id(0));
        journal.everything().wait().await.unwrap();
        drop(journal);
        writing.join().unwrap();
        let (_, jobs) = JournalFile::open(folder.path()).unwrap();
        assert_eq!(jobs.len(), 9);
    }

    #[tokio::test]
    async fn a_file_that_somebody_else_replaced_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (file, _) = JournalFile::open(folder.path()).unwrap();
        let (writer, journal) = Writer::new(file);
        let writing = thread::spawn(move || writer.run());
        journal.opening(id(1), record()).wait().await.unwrap();
        // Another process opens it, which replaces the file, and goes away again.
        drop(JournalFile::open(folder.path()).unwrap());
        journal.anew().wait().await.unwrap();
        journal.opening(id(2), record()).wait().await.unwrap();
        drop(journal);
        writing.join().unwrap();
        let (_, jobs) = JournalFile::open(folder.path()).unwrap();
        assert_eq!(jobs.into_keys().collect::<Vec<_>>(), [id(1), id(2)]);
    }
}
