//! Why jobs and leases end.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a job or a lease ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The holder closed the job.
    JobClosed,
    /// The process that the job was anchored to exited.
    ProcessExited,
    /// The holder fell silent.
    HeartbeatLost,
    /// The lifetime ran out without a renewal.
    Ttl,
    /// The task's maximum duration was reached.
    MaxDuration,
    /// An operator ended it.
    Operator,
    /// Today's policy no longer grants it.
    PolicyChanged,
    /// The workload or the holder was banned.
    WorkloadBanned,
    /// The credential was seen where it should not be.
    Exposure,
    /// The job that this one was delegated from ended.
    ParentEnded,
    /// An intent that never became a credential.
    Abandoned,
    /// The store was restored from a backup.
    StoreRestored,
}

impl Cause {
    /// Every cause, in the order of the contract.
    pub const ALL: [Self; 12] = [
        Self::JobClosed,
        Self::ProcessExited,
        Self::HeartbeatLost,
        Self::Ttl,
        Self::MaxDuration,
        Self::Operator,
        Self::PolicyChanged,
        Self::WorkloadBanned,
        Self::Exposure,
        Self::ParentEnded,
        Self::Abandoned,
        Self::StoreRestored,
    ];

    /// The word for it in the audit log and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::JobClosed => "job_closed",
            Self::ProcessExited => "process_exited",
            Self::HeartbeatLost => "heartbeat_lost",
            Self::Ttl => "ttl",
            Self::MaxDuration => "max_duration",
            Self::Operator => "operator",
            Self::PolicyChanged => "policy_changed",
            Self::WorkloadBanned => "workload_banned",
            Self::Exposure => "exposure",
            Self::ParentEnded => "parent_ended",
            Self::Abandoned => "abandoned",
            Self::StoreRestored => "store_restored",
        }
    }

    /// Reads the word back.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == word)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back() {
        for cause in Cause::ALL {
            assert_eq!(Cause::from_word(cause.as_str()), Some(cause));
            assert_eq!(serde_json::to_value(cause).unwrap(), cause.as_str());
        }
        assert_eq!(Cause::from_word("boredom"), None);
    }
}
