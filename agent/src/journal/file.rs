//! The journal's file.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use taskpass_proto::ids::JobId;

use super::entry::{Entry, Remembered, apply, line, replay};
use crate::holder::write_durably;

const NAME: &str = "journal";
/// A file with fewer lines is never worth writing anew.
const FEW_LINES: usize = 1000;
/// A longer one is, once it has this many lines a job.
const LINES_PER_JOB: usize = 16;

/// Appends what happens to jobs, and writes the file anew once it has grown far beyond what it says.
#[derive(Debug)]
pub struct JournalFile {
    file: File,
    path: PathBuf,
    jobs: BTreeMap<JobId, Remembered>,
    lines: usize,
    /// What is in the file is not known: a write failed half way, or somebody else wrote.
    torn: bool,
}

impl JournalFile {
    /// Opens the journal, and answers what may still exist at the broker.
    ///
    /// A line that was cut off by a crash was never acted upon, and is passed over.
    pub fn open(state: &Path) -> io::Result<(Self, BTreeMap<JobId, Remembered>)> {
        let path = state.join(NAME);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let jobs = replay(&String::from_utf8_lossy(&bytes));
        let file = write_anew(&path, &jobs)?;
        let this = Self {
            file,
            path,
            lines: jobs.len(),
            jobs: jobs.clone(),
            torn: false,
        };
        Ok((this, jobs))
    }

    /// Writes lines, and syncs once for all of them if asked to. Those that cannot be written have happened
    /// all the same, and come with the next that can; only a job that was about to be opened has not.
    pub(super) fn write(&mut self, entries: &[Entry], sync: bool) -> io::Result<()> {
        for entry in entries {
            apply(&mut self.jobs, entry);
        }
        let written = if self.torn || self.is_long() {
            self.write_anew()
        } else {
            self.append(entries, sync)
        };
        self.torn = written.is_err();
        if written.is_err() {
            // INVARIANT: a job that is not on disk is never asked for, so it is not remembered either.
            for entry in entries {
                if let (Entry::Opening { .. }, Ok(job)) = (entry, entry.job().parse()) {
                    self.jobs.remove(&job);
                }
            }
        }
        written
    }

    /// Has the next write replace the file: somebody else may have written it.
    pub(super) fn distrust(&mut self) {
        self.torn = true;
    }

    fn is_long(&self) -> bool {
        self.lines > FEW_LINES.max(self.jobs.len() * LINES_PER_JOB)
    }

    fn append(&mut self, entries: &[Entry], sync: bool) -> io::Result<()> {
        let lines: String = entries.iter().map(line).collect::<Result<_, _>>()?;
        self.lines += entries.len();
        self.file.write_all(lines.as_bytes())?;
        if sync { self.file.sync_data() } else { Ok(()) }
    }

    fn write_anew(&mut self) -> io::Result<()> {
        self.file = write_anew(&self.path, &self.jobs)?;
        self.lines = self.jobs.len();
        Ok(())
    }
}

/// Writes the shortest journal that says the same, and opens it for appending.
fn write_anew(path: &Path, jobs: &BTreeMap<JobId, Remembered>) -> io::Result<File> {
    let lines = jobs.iter().map(|(job, record)| {
        line(&Entry::Opening {
            job: job.to_string(),
            record: record.clone(),
        })
    });
    let text: String = lines.collect::<Result<_, _>>()?;
    write_durably(path, text.as_bytes())?;
    OpenOptions::new().append(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use taskpass_proto::v1;

    use super::super::entry::Ending;
    use super::super::entry::tests::{id, record};
    use super::*;
    use crate::watch::process::Started;

    fn opening(n: u8) -> Entry {
        let job = id(n).to_string();
        Entry::Opening {
            job,
            record: record(),
        }
    }

    fn closing(n: u8) -> Entry {
        let (job, ending) = (id(n).to_string(), ended());
        Entry::Closing { job, ending }
    }

    fn gone(n: u8) -> Entry {
        Entry::Gone {
            job: id(n).to_string(),
        }
    }

    fn lease(n: u8, generation: u32) -> Entry {
        let (job, lease) = (id(n).to_string(), "lease_a_1".to_owned());
        Entry::Lease {
            job,
            lease,
            generation,
        }
    }

    fn ended() -> Ending {
        Ending::new(v1::Cause::ProcessExited, Some(137))
    }

    /// The jobs that a start would find.
    fn again(folder: &tempfile::TempDir) -> BTreeMap<JobId, Remembered> {
        JournalFile::open(folder.path()).unwrap().1
    }

    fn empty() -> (tempfile::TempDir, JournalFile) {
        let folder = tempfile::tempdir().unwrap();
        let (file, jobs) = JournalFile::open(folder.path()).unwrap();
        assert!(jobs.is_empty());
        (folder, file)
    }

    #[test]
    fn remembers_what_may_exist() {
        let (folder, mut file) = empty();
        file.write(&[opening(1), opening(2), lease(1, 1)], true)
            .unwrap();
        file.write(&[lease(1, 2), closing(2), opening(3), gone(3)], true)
            .unwrap();
        drop(file);
        let jobs = again(&folder);
        let leases = BTreeMap::from([("lease_a_1".to_owned(), 2)]);
        assert_eq!(jobs[&id(1)], Remembered { leases, ..record() });
        assert_eq!(
            jobs[&id(2)],
            Remembered {
                ending: Some(ended()),
                ..record()
            }
        );
        assert_eq!(jobs.len(), 2);
    }

    #[test]
    fn opening_it_again_compacts_it() {
        let (folder, mut file) = empty();
        for n in 0..50 {
            file.write(&[opening(n), gone(n)], true).unwrap();
        }
        drop(file);
        assert!(again(&folder).is_empty());
        assert_eq!(fs::metadata(folder.path().join(NAME)).unwrap().len(), 0);
    }

    #[test]
    fn it_does_not_grow_with_the_age_of_its_jobs() {
        let (folder, mut file) = empty();
        file.write(&[opening(1)], true).unwrap();
        for generation in 1..3000 {
            file.write(&[lease(1, generation)], false).unwrap();
        }
        let lines = fs::read_to_string(&file.path).unwrap().lines().count();
        assert!(lines <= FEW_LINES + 1, "{lines}");
        drop(file);
        assert_eq!(again(&folder)[&id(1)].leases["lease_a_1"], 2999);
    }

    #[test]
    fn what_could_not_be_written_is_written_with_the_next_line_that_can_be() {
        let (folder, mut file) = empty();
        file.write(&[opening(1)], true).unwrap();
        // Every write fails, as on a full disk.
        file.file = File::open(&file.path).unwrap();
        assert!(file.write(&[closing(1)], true).is_err());
        // The next one finds that it works again.
        file.write(&[opening(3)], true).unwrap();
        drop(file);
        let jobs = again(&folder);
        assert_eq!(jobs[&id(1)].ending, Some(ended()));
        assert!(jobs.contains_key(&id(3)));
    }

    #[test]
    fn a_job_that_could_not_be_written_is_not_remembered() {
        let (folder, mut file) = empty();
        file.file = File::open(&file.path).unwrap();
        assert!(file.write(&[opening(2), opening(4)], true).is_err());
        file.write(&[opening(3)], true).unwrap();
        drop(file);
        assert_eq!(again(&folder).into_keys().collect::<Vec<_>>(), [id(3)]);
    }

    #[test]
    fn a_process_that_was_added_later_is_remembered() {
        let (folder, mut file) = empty();
        let process = Started {
            pid: 7,
            at_ticks: 9,
        };
        let job = id(1).to_string();
        file.write(&[opening(1), Entry::Process { job, process }], true)
            .unwrap();
        drop(file);
        assert_eq!(again(&folder)[&id(1)].processes.last(), Some(&process));
    }

    #[test]
    fn bytes_that_make_no_sense_are_passed_over() {
        let (folder, mut file) = empty();
        file.write(&[opening(1)], true).unwrap();
        let mut bytes = b"\xff\xfe nonsense\n".to_vec();
        bytes.extend(fs::read(&file.path).unwrap());
        fs::write(&file.path, bytes).unwrap();
        assert_eq!(again(&folder).len(), 1);
    }
}
