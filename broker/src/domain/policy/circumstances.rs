//! What a decision looks at besides who asks for what.

use serde::{Deserialize, Serialize};

use crate::domain::job::Reported;
use crate::domain::time::UnixMillis;

/// Time, job, risk, and what only the agent says: what conditions can look at.
///
/// Serialised, it is what the audit log keeps of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Circumstances {
    /// The time of the decision.
    pub at: UnixMillis,
    /// The job that it is about.
    pub job: JobFacts,
    /// What is known against the workload.
    #[serde(skip_serializing_if = "Risk::is_none")]
    pub risk: Risk,
    /// What the agent says of the local caller: reported, not proven.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reported: Option<Reported>,
}

/// Where in its life a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct JobFacts {
    /// When it was opened: the time of the decision when it is about to be.
    pub opened_at: UnixMillis,
    /// The generation of the credential that is decided: 1 when it is issued, 2 when it is renewed once.
    pub generation: u32,
    /// Whether the job holds already what is decided anew.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_renewal: bool,
}

/// What is known against a workload. Nothing sets these flags yet: they are always `false`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Risk {
    /// One of its credentials was seen where it should not be.
    pub exposed: bool,
    /// Something watches it and asks for care.
    pub elevated: bool,
}

impl Circumstances {
    /// A job that is being opened at this time.
    pub fn opening(at: UnixMillis) -> Self {
        Self {
            at,
            job: JobFacts {
                opened_at: at,
                generation: 1,
                is_renewal: false,
            },
            risk: Risk::default(),
            reported: None,
        }
    }

    /// The same, with what the agent reports.
    pub fn reported(self, reported: Option<Reported>) -> Self {
        Self { reported, ..self }
    }
}

impl Risk {
    #[allow(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes fields by reference"
    )]
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_decision_was_made_in_is_kept_whole() {
        let risky = Circumstances {
            job: JobFacts {
                opened_at: UnixMillis::new(1),
                generation: 2,
                is_renewal: true,
            },
            risk: Risk {
                exposed: true,
                elevated: false,
            },
            reported: Some(Reported {
                host: "node-1".to_owned(),
                uid: 1,
                gid: 2,
                pid: 3,
                executable: "/bin/make".to_owned(),
            }),
            ..Circumstances::opening(UnixMillis::new(5))
        };
        for circumstances in [Circumstances::opening(UnixMillis::new(5)), risky] {
            let kept = serde_json::to_string(&circumstances).unwrap();
            assert_eq!(
                serde_json::from_str::<Circumstances>(&kept).unwrap(),
                circumstances,
                "{kept}"
            );
        }
    }
}
