//! What may exist at the broker: written and synced before it is asked for, and kept until it is confirmed
//! closed. Never a token.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use taskpass_proto::ids::JobId;

use crate::holder::write_durably;
use crate::watch::process::Started;

const NAME: &str = "journal";

/// Appends what happens to jobs.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
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
    /// The job is to be closed.
    Closing { job: String },
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
    /// The newest generation of each lease.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub leases: BTreeMap<String, u32>,
    /// Whether it is to be closed.
    #[serde(default)]
    pub closing: bool,
}

impl Journal {
    /// Opens the journal, and answers what may still exist at the broker.
    ///
    /// A line that was cut off by a crash was never acted upon, and is passed over.
    pub fn open(state: &Path) -> io::Result<(Self, BTreeMap<JobId, Remembered>)> {
        let path = state.join(NAME);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let remembered = replay(&text);
        let compacted: String = remembered
            .iter()
            .filter_map(|(job, record)| {
                line(&Entry::Opening {
                    job: job.to_string(),
                    record: record.clone(),
                })
                .ok()
            })
            .collect();
        write_durably(&path, compacted.as_bytes())?;
        let file = OpenOptions::new().append(true).mode(0o600).open(&path)?;
        Ok((Self { file, path }, remembered))
    }

    /// A job is about to be opened. Synced: from here on a crash cannot lose it.
    pub fn opening(&mut self, job: JobId, record: Remembered) -> io::Result<()> {
        self.append(&Entry::Opening {
            job: job.to_string(),
            record,
        })?;
        self.file.sync_data()
    }

    /// A lease has a token of this generation. A lost line costs one more call, so it is not synced.
    pub fn lease(&mut self, job: JobId, lease: &str, generation: u32) -> io::Result<()> {
        let lease = lease.to_owned();
        self.append(&Entry::Lease {
            job: job.to_string(),
            lease,
            generation,
        })
    }

    /// A job is to be closed. Synced.
    pub fn closing(&mut self, job: JobId) -> io::Result<()> {
        self.append(&Entry::Closing {
            job: job.to_string(),
        })?;
        self.file.sync_data()
    }

    /// The broker has confirmed the end. A lost line costs one more call.
    pub fn gone(&mut self, job: JobId) -> io::Result<()> {
        self.append(&Entry::Gone {
            job: job.to_string(),
        })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn append(&mut self, entry: &Entry) -> io::Result<()> {
        self.file.write_all(line(entry)?.as_bytes())
    }
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
    for entry in entries {
        match entry {
            Entry::Opening { job, record } => {
                if let Ok(id) = job.parse::<JobId>() {
                    jobs.insert(id, record);
                }
            }
            Entry::Lease {
                job,
                lease,
                generation,
            } => {
                let known = job.parse::<JobId>().ok().and_then(|id| jobs.get_mut(&id));
                if let Some(record) = known {
                    record.leases.insert(lease, generation);
                }
            }
            Entry::Closing { job } => {
                let known = job.parse::<JobId>().ok().and_then(|id| jobs.get_mut(&id));
                if let Some(record) = known {
                    record.closing = true;
                }
            }
            Entry::Gone { job } => {
                if let Ok(id) = job.parse::<JobId>() {
                    jobs.remove(&id);
                }
            }
        }
    }
    jobs
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
            leases: BTreeMap::new(),
            closing: false,
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
        journal.closing(id(2)).unwrap();
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
                closing: true,
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
}
