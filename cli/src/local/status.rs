//! What the agent says of itself.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What the agent says of itself.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(crate) struct Status {
    /// Its version.
    pub(crate) version: String,
    /// When it was started.
    #[serde(default)]
    pub(crate) started_at: Option<Timestamp>,
    /// The broker as it sees it.
    pub(crate) broker: BrokerSeen,
    /// The identities that it holds.
    #[serde(default)]
    pub(crate) identities: Vec<Identity>,
    /// How many jobs it holds.
    #[serde(default)]
    pub(crate) jobs: u64,
    /// Who the caller is.
    pub(crate) caller: Caller,
    /// What is wrong.
    #[serde(default)]
    pub(crate) problems: Vec<Problem>,
}

/// The broker as the agent sees it.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(crate) struct BrokerSeen {
    /// Where it is.
    pub(crate) address: String,
    /// The SPIFFE ID that it must have.
    pub(crate) spiffe_id: String,
    /// Whether it can be reached now.
    pub(crate) connected: bool,
    /// Why not.
    #[serde(default)]
    pub(crate) error: Option<String>,
}

/// One identity that the agent holds.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(crate) struct Identity {
    /// Its SPIFFE ID, once an SVID was loaded.
    #[serde(default)]
    pub(crate) spiffe_id: Option<String>,
    /// The end of its SVID.
    #[serde(default)]
    pub(crate) expires_at: Option<Timestamp>,
    /// Whether its connection to the broker stands.
    #[serde(default)]
    pub(crate) connected: bool,
    /// Why not.
    #[serde(default)]
    pub(crate) error: Option<String>,
}

/// Who the caller is, as the kernel says and as the agent maps it.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(crate) struct Caller {
    /// The user's number.
    pub(crate) uid: u32,
    /// The workload that it speaks for.
    #[serde(default)]
    pub(crate) spiffe_id: Option<String>,
}

/// Something that is wrong, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Problem {
    /// What is wrong.
    pub(crate) what: String,
    /// What to do about it.
    pub(crate) remedy: String,
}
