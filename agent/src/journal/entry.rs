//! What a line of the journal says.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};
use taskpass_proto::ids::JobId;
use taskpass_proto::v1;

use crate::watch::process::Started;

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub(crate) enum Entry {
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

impl Entry {
    /// The job that it is about.
    pub(super) fn job(&self) -> &str {
        match self {
            Self::Opening { job, .. }
            | Self::Lease { job, .. }
            | Self::Process { job, .. }
            | Self::Closing { job, .. }
            | Self::Gone { job } => job,
        }
    }
}

/// An entry as it stands in the file.
pub(super) fn line(entry: &Entry) -> io::Result<String> {
    let mut line = serde_json::to_string(entry).map_err(io::Error::other)?;
    line.push('\n');
    Ok(line)
}

/// The jobs that a whole journal leaves; lines that make no sense are passed over.
pub(super) fn replay(text: &str) -> BTreeMap<JobId, Remembered> {
    let mut jobs = BTreeMap::new();
    let entries = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    entries.for_each(|entry| apply(&mut jobs, &entry));
    jobs
}

/// Takes one more entry. One of a job that is not known changes nothing.
pub(super) fn apply(jobs: &mut BTreeMap<JobId, Remembered>, entry: &Entry) {
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn id(n: u8) -> JobId {
        JobId::new(1_700_000_000_000, [n; 10])
    }

    pub(crate) fn record() -> Remembered {
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
    fn cut_off_anywhere_it_never_loses_a_line_that_was_whole() {
        let job = |n| id(n).to_string();
        let opening = |n| Entry::Opening {
            job: job(n),
            record: record(),
        };
        let lease = Entry::Lease {
            job: job(1),
            lease: "lease_a_1".into(),
            generation: 2,
        };
        let ending = Ending::new(v1::Cause::ProcessExited, Some(137));
        let entries = [
            opening(1),
            opening(2),
            lease,
            Entry::Closing {
                job: job(2),
                ending,
            },
            opening(3),
            Entry::Gone { job: job(3) },
        ];
        let whole: String = entries.iter().map(|entry| line(entry).unwrap()).collect();
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
}
