//! What may exist at the broker: written and synced before it is asked for, and kept until it is confirmed
//! closed. Never a token.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use taskpass_proto::ids::JobId;
use taskpass_proto::v1;

use crate::holder::write_durably;
use crate::watch::process::Started;

const NAME: &str = "journal";
/// A file with fewer lines is never worth writing anew.
const FEW_LINES: usize = 1000;
/// A longer one is, once it has this many lines a job.
const LINES_PER_JOB: usize = 16;

/// Appends what happens to jobs, and writes the file anew once it has grown far beyond what it says.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    jobs: BTreeMap<JobId, Remembered>,
    lines: usize,
    /// A write failed, perhaps half way: the file is to be written anew.
    torn: bool,
}

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
enum Entry {
    /// A job is about to be opened.
    Opening { job: String, record: Remembered },
    /// A lease has a token of this generation.
    Lease {
        job: String,
        lease: String,
        generation: u32,
    },
    /// The job is tied to one more process.
    Process { job: String, process: Started },
    /// The job is to be closed.
    Closing { job: String, ending: Ending },
    /// The broker has confirmed the end.
    Gone { job: String },
}

/// What is remembered of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// The SPIFFE ID that it was opened with.
    pub identity: String,
    /// The local user that it is for.
    pub uid: u32,
    /// The task.
    pub task: String,
    /// The processes whose exit ends it; none for jobs that are tied to something else.
    pub processes: Vec<Started>,
    /// Whether it is tied to a connection, which no restart survives.
    #[serde(default)]
    pub is_of_connection: bool,
    /// The newest generation of each lease.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub leases: BTreeMap<String, u32>,
    /// How it ends, once it is to be closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<Ending>,
}

/// How a job ends, as the broker is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// The wire's number of the cause.
    cause: i32,
    /// How its command ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_status: Option<i32>,
}

impl Ending {
    /// An end for this cause.
    pub fn new(cause: v1::Cause, exit_status: Option<i32>) -> Self {
        Self {
            cause: cause.into(),
            exit_status,
        }
    }

    /// Why.
    pub fn cause(self) -> v1::Cause {
        v1::Cause::try_from(self.cause).unwrap_or(v1::Cause::JobClosed)
    }
}

impl Journal {
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

    /// A job is about to be opened. Synced: from here on a crash cannot lose it.
    pub fn opening(&mut self, job: JobId, record: Remembered) -> io::Result<()> {
        let entry = Entry::Opening {
            job: job.to_string(),
            record,
        };
        let written = self.write(&entry, Sync::Yes);
        if written.is_err() {
            // INVARIANT: a job that is not on disk is never asked for, so it is not remembered either.
            self.jobs.remove(&job);
        }
        written
    }

    /// A lease has a token of this generation. A lost line costs one more call, so it is not synced.
    pub fn lease(&mut self, job: JobId, lease: &str, generation: u32) -> io::Result<()> {
        let (job, lease) = (job.to_string(), lease.to_owned());
        let entry = Entry::Lease {
            job,
            lease,
            generation,
        };
        self.write(&entry, Sync::No)
    }

    /// A job is tied to one more process. Synced: its exit ends the job also after a crash.
    pub fn process(&mut self, job: JobId, process: Started) -> io::Result<()> {
        let job = job.to_string();
        self.write(&Entry::Process { job, process }, Sync::Yes)
    }

    /// A job is to be closed. Synced.
    pub fn closing(&mut self, job: JobId, ending: Ending) -> io::Result<()> {
        let job = job.to_string();
        self.write(&Entry::Closing { job, ending }, Sync::Yes)
    }

    /// The broker has confirmed the end. A lost line costs one more call.
    pub fn gone(&mut self, job: JobId) -> io::Result<()> {
        let job = job.to_string();
        self.write(&Entry::Gone { job }, Sync::No)
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a line. One that cannot be written has happened all the same, and comes with the next that can.
    fn write(&mut self, entry: &Entry, sync: Sync) -> io::Result<()> {
        apply(&mut self.jobs, entry);
        let written = if self.torn || self.lines > FEW_LINES.max(self.jobs.len() * LINES_PER_JOB) {
            self.compact()
        } else {
            self.append(entry, sync)
        };
        self.torn = written.is_err();
        written
    }

    fn append(&mut self, entry: &Entry, sync: Sync) -> io::Result<()> {
        self.lines += 1;
        self.file.write_all(line(entry)?.as_bytes())?;
        match sync {
            Sync::Yes => self.file.sync_data(),
            Sync::No => Ok(()),
        }
    }

    fn compact(&mut self) -> io::Result<()> {
        self.file = write_anew(&self.path, &self.jobs)?;
        self.lines = self.jobs.len();
        Ok(())
    }
}

/// Whether a line must be on disk before anything else happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sync {
    Yes,
    No,
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

fn line(entry: &Entry) -> io::Result<String> {
    let mut line = serde_json::to_string(entry).map_err(io::Error::other)?;
    line.push('\n');
    Ok(line)
}

fn replay(text: &str) -> BTreeMap<JobId, Remembered> {
    let mut jobs = BTreeMap::new();
    let entries = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    entries.for_each(|entry| apply(&mut jobs, &entry));
    jobs
}

/// Takes one more entry. One of a job that is not known changes nothing.
fn apply(jobs: &mut BTreeMap<JobId, Remembered>, entry: &Entry) {
    let Ok(id) = entry.job().parse::<JobId>() else {
        return;
    };
    if let Entry::Opening { record, .. } = entry {
        jobs.insert(id, record.clone());
        return;
    }
    let Some(record) = jobs.get_mut(&id) else {
        return;
    };
    match entry {
        Entry::Opening { .. } => {}
        Entry::Lease {
            lease, generation, ..
        } => {
            record.leases.insert(lease.clone(), *generation);
        }
        Entry::Process { process, .. } => record.processes.push(*process),
        Entry::Closing { ending, .. } => record.ending = Some(*ending),
        Entry::Gone { .. } => {
            jobs.remove(&id);
        }
    }
}

impl Entry {
    fn job(&self) -> &str {
        match self {
            Self::Opening { job, .. }
            | Self::Lease { job, .. }
            | Self::Process { job, .. }
            | Self::Closing { job, .. }
            | Self::Gone { job } => job,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> JobId {
        JobId::new(1_700_000_000_000, [n; 10])
    }

    fn record() -> Remembered {
        Remembered {
            identity: "spiffe://acme.example/a".into(),
            uid: 1000,
            task: "deploy-docs".into(),
            processes: vec![Started {
                pid: 1,
                at_ticks: 2,
            }],
            is_of_connection: false,
            leases: BTreeMap::new(),
            ending: None,
        }
    }

    #[test]
    fn remembers_what_may_exist_at_every_point_of_a_crash() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, empty) = Journal::open(folder.path()).unwrap();
        assert!(empty.is_empty());
        journal.opening(id(1), record()).unwrap();
        journal.opening(id(2), record()).unwrap();
        journal.lease(id(1), "lease_a_1", 1).unwrap();
        journal.lease(id(1), "lease_a_1", 2).unwrap();
        let ending = Ending::new(v1::Cause::ProcessExited, Some(137));
        journal.closing(id(2), ending).unwrap();
        journal.opening(id(3), record()).unwrap();
        journal.gone(id(3)).unwrap();
        let whole = fs::read_to_string(journal.path()).unwrap();
        drop(journal);
        let (_, jobs) = Journal::open(folder.path()).unwrap();
        let leases = BTreeMap::from([("lease_a_1".to_owned(), 2)]);
        assert_eq!(jobs.get(&id(1)), Some(&Remembered { leases, ..record() }));
        assert_eq!(
            jobs.get(&id(2)),
            Some(&Remembered {
                ending: Some(ending),
                ..record()
            })
        );
        assert_eq!(jobs.len(), 2);

        // Cut off anywhere, it never loses a line that was whole.
        for cut in 0..whole.len() {
            let (text, _) = whole.split_at(cut);
            let entries: Vec<Entry> = text
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok())
                .collect();
            let opened = entries
                .iter()
                .filter(|e| matches!(e, Entry::Opening { .. }))
                .count();
            let gone = entries
                .iter()
                .filter(|e| matches!(e, Entry::Gone { .. }))
                .count();
            assert_eq!(replay(text).len(), opened - gone, "{cut}");
            assert!(
                entries.len() + 1 >= text.lines().count(),
                "only the last line can be cut off"
            );
        }
    }

    #[test]
    fn opening_it_again_compacts_it() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(folder.path()).unwrap();
        for n in 0..50 {
            journal.opening(id(n), record()).unwrap();
            journal.gone(id(n)).unwrap();
        }
        drop(journal);
        let (journal, jobs) = Journal::open(folder.path()).unwrap();
        assert!(jobs.is_empty());
        assert_eq!(fs::metadata(journal.path()).unwrap().len(), 0);
    }

    #[test]
    fn it_does_not_grow_with_the_age_of_its_jobs() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(folder.path()).unwrap();
        journal.opening(id(1), record()).unwrap();
        for generation in 1..3000 {
            journal.lease(id(1), "lease_a_1", generation).unwrap();
        }
        let lines = fs::read_to_string(journal.path()).unwrap().lines().count();
        assert!(lines <= FEW_LINES + 1, "{lines}");
        drop(journal);
        let (_, jobs) = Journal::open(folder.path()).unwrap();
        assert_eq!(jobs[&id(1)].leases["lease_a_1"], 2999);
    }

    #[test]
    fn what_could_not_be_written_is_written_with_the_next_line_that_can_be() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(folder.path()).unwrap();
        journal.opening(id(1), record()).unwrap();
        // Every write fails, as on a full disk.
        journal.file = File::open(journal.path()).unwrap();
        let ending = Ending::new(v1::Cause::JobClosed, None);
        assert!(journal.closing(id(1), ending).is_err());
        let refused = journal.torn;
        assert!(refused);
        // The next one finds that it works again.
        journal.opening(id(3), record()).unwrap();
        drop(journal);
        let (_, jobs) = Journal::open(folder.path()).unwrap();
        assert_eq!(jobs[&id(1)].ending, Some(ending));
        assert!(jobs.contains_key(&id(3)));
    }

    #[test]
    fn a_job_that_could_not_be_written_is_not_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(folder.path()).unwrap();
        journal.file = File::open(journal.path()).unwrap();
        assert!(journal.opening(id(2), record()).is_err());
        journal.opening(id(3), record()).unwrap();
        drop(journal);
        let (_, jobs) = Journal::open(folder.path()).unwrap();
        assert_eq!(jobs.keys().copied().collect::<Vec<_>>(), [id(3)]);
    }

    #[test]
    fn a_process_that_was_added_later_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(folder.path()).unwrap();
        journal.opening(id(1), record()).unwrap();
        let added = Started {
            pid: 7,
            at_ticks: 9,
        };
        journal.process(id(1), added).unwrap();
        drop(journal);
        let (_, jobs) = Journal::open(folder.path()).unwrap();
        assert_eq!(jobs[&id(1)].processes.last(), Some(&added));
    }

    #[test]
    fn bytes_that_make_no_sense_are_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(folder.path()).unwrap();
        journal.opening(id(1), record()).unwrap();
        let path = journal.path().to_owned();
        drop(journal);
        let mut bytes = b"\xff\xfe nonsense\n".to_vec();
        bytes.extend(fs::read(&path).unwrap());
        fs::write(&path, bytes).unwrap();
        let (_, jobs) = Journal::open(folder.path()).unwrap();
        assert_eq!(jobs.len(), 1);
    }
}
