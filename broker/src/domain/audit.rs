//! Audit records, and the leaf that each becomes in the log.

use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use taskpass_identity::SpiffeId;
use taskpass_proto::ids::{JobId, LeaseId};

use super::cause::Cause;
use super::time::UnixMillis;

/// Version of the leaf's fields.
const LEAF_VERSION: u32 = 1;
/// An entry of a C2SP log ends here; the leaf without its details is far below.
pub const MAX_LEAF_BYTES: usize = 65_535;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Event {
    /// A job was let in.
    #[serde(rename = "job.opened")]
    JobOpened,
    /// A job was refused.
    #[serde(rename = "job.denied")]
    JobDenied,
    /// A job ended.
    #[serde(rename = "job.ended")]
    JobEnded,
    /// A credential was handed out.
    #[serde(rename = "lease.issued")]
    LeaseIssued,
    /// More credentials were refused to an open job.
    #[serde(rename = "lease.denied")]
    LeaseDenied,
    /// A lease was renewed.
    #[serde(rename = "lease.renewed")]
    LeaseRenewed,
    /// A renewal was refused.
    #[serde(rename = "lease.renewal_denied")]
    LeaseRenewalDenied,
    /// A lease ended.
    #[serde(rename = "lease.ended")]
    LeaseEnded,
    /// Somebody tried to end a job that is not theirs.
    #[serde(rename = "job.end_denied")]
    JobEndDenied,
    /// The same denial again and again, counted.
    #[serde(rename = "denials.repeated")]
    DenialsRepeated,
    /// A workload or a holder was banned.
    #[serde(rename = "workload.banned")]
    WorkloadBanned,
    /// A ban was lifted.
    #[serde(rename = "workload.unbanned")]
    WorkloadUnbanned,
    /// A policy came into force.
    #[serde(rename = "policy.loaded")]
    PolicyLoaded,
    /// A policy was refused; the one before stays in force.
    #[serde(rename = "policy.refused")]
    PolicyRefused,
    /// An administrative call.
    #[serde(rename = "admin.called")]
    AdminCalled,
    /// A signing key was made.
    #[serde(rename = "key.created")]
    KeyCreated,
    /// An operator rotated signing keys.
    #[serde(rename = "key.rotated")]
    KeyRotated,
    /// An operator took a signing key out of use.
    #[serde(rename = "key.retired")]
    KeyRetired,
    /// A signing key was sealed with another sealing key.
    #[serde(rename = "key.resealed")]
    KeyResealed,
    /// A signing key that had been over for long was removed.
    #[serde(rename = "key.forgotten")]
    KeyForgotten,
    /// The store works again after a failure.
    #[serde(rename = "store.recovered")]
    StoreRecovered,
    /// The store is a restored backup or an old copy: everything open in it ended, and a new epoch began.
    #[serde(rename = "store.restored")]
    StoreRestored,
    /// A backup of the store was made.
    #[serde(rename = "store.backed_up")]
    StoreBackedUp,
    /// The broker started.
    #[serde(rename = "broker.started")]
    BrokerStarted,
    /// The log goes on under another origin, in a store with a new epoch.
    #[serde(rename = "log.continued")]
    LogContinued,
    /// Stands in the place of a record that a restored store has lost.
    #[serde(rename = "record.lost")]
    RecordLost,
    /// Details of records were erased.
    #[serde(rename = "audit.details_erased")]
    DetailsErased,
}

/// One record, before it has its number.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// When.
    pub at: UnixMillis,
    /// What.
    pub event: Event,
    /// The workload concerned.
    pub subject: Option<SpiffeId>,
    /// The machine that it runs on, as its agent reports it: not proven.
    pub node: Option<String>,
    /// The task, as asked for: it need not exist.
    pub task: Option<String>,
    /// The job.
    pub job: Option<JobId>,
    /// The lease.
    pub lease: Option<LeaseId>,
    /// The generation of the lease.
    pub generation: Option<u32>,
    /// `allowed`, or the reason of a denial.
    pub outcome: Option<&'static str>,
    /// Why it ended.
    pub cause: Option<Cause>,
    /// Hash of the policy snapshot.
    pub policy: Option<String>,
    /// Id of the decision; callers know it as the correlation id.
    pub decision: Option<String>,
    /// Everything else, as a JSON object. Can be erased without breaking the log.
    pub details: Value,
}

/// A record's fixed part: what the log commits to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaf {
    /// Version of these fields.
    pub v: u32,
    /// When, in milliseconds since 1970.
    pub at: UnixMillis,
    /// What.
    pub event: Event,
    /// The workload concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The machine that it runs on, as reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// The job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// The lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<String>,
    /// The generation of the lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u32>,
    /// `allowed`, or a reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Why it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// Hash of the policy snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Id of the decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
    /// SHA-256 of salt ‖ details, in hexadecimal.
    pub details_sha256: String,
}

/// A record with its number, as it is read back.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// Dense, from 1.
    pub number: u64,
    /// The fixed part.
    pub leaf: Leaf,
    /// The details, unless they were erased.
    pub details: Option<Value>,
}

impl Record {
    /// A record that says no more than what and when.
    pub fn new(event: Event, at: UnixMillis) -> Self {
        Self {
            at,
            event,
            subject: None,
            node: None,
            task: None,
            job: None,
            lease: None,
            generation: None,
            outcome: None,
            cause: None,
            policy: None,
            decision: None,
            details: Value::Object(serde_json::Map::new()),
        }
    }

    /// Its details as they are stored and hashed.
    pub fn details_bytes(&self) -> Vec<u8> {
        self.details.to_string().into_bytes()
    }

    /// The fixed part, committing to `details` under `salt`.
    ///
    /// The salt keeps erased details from being guessed from their hash.
    pub fn leaf(&self, salt: &[u8; 32], details: &[u8]) -> Leaf {
        Leaf {
            v: LEAF_VERSION,
            at: self.at,
            event: self.event,
            subject: self.subject.as_ref().map(ToString::to_string),
            node: self.node.clone(),
            task: self.task.clone(),
            job: self.job.map(|id| id.to_string()),
            lease: self.lease.map(|id| id.to_string()),
            generation: self.generation,
            outcome: self.outcome.map(str::to_owned),
            cause: self.cause,
            policy: self.policy.clone(),
            decision: self.decision.clone(),
            details_sha256: commitment(salt, details),
        }
    }
}

impl Leaf {
    /// Whether these are the details that it commits to.
    pub fn commits_to(&self, salt: &[u8], details: &[u8]) -> bool {
        self.details_sha256 == commitment(salt, details)
    }
}

/// SHA-256 of salt ‖ details, in hexadecimal.
fn commitment(salt: &[u8], details: &[u8]) -> String {
    let mut hash = Context::new(&SHA256);
    hash.update(salt);
    hash.update(details);
    data_encoding::HEXLOWER.encode(hash.finish().as_ref())
}

impl Event {
    /// The word for it in the log and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::JobOpened => "job.opened",
            Self::JobDenied => "job.denied",
            Self::JobEnded => "job.ended",
            Self::LeaseIssued => "lease.issued",
            Self::LeaseDenied => "lease.denied",
            Self::LeaseRenewed => "lease.renewed",
            Self::LeaseRenewalDenied => "lease.renewal_denied",
            Self::LeaseEnded => "lease.ended",
            Self::JobEndDenied => "job.end_denied",
            Self::DenialsRepeated => "denials.repeated",
            Self::WorkloadBanned => "workload.banned",
            Self::WorkloadUnbanned => "workload.unbanned",
            Self::PolicyLoaded => "policy.loaded",
            Self::PolicyRefused => "policy.refused",
            Self::AdminCalled => "admin.called",
            Self::KeyCreated => "key.created",
            Self::KeyRotated => "key.rotated",
            Self::KeyRetired => "key.retired",
            Self::KeyResealed => "key.resealed",
            Self::KeyForgotten => "key.forgotten",
            Self::StoreRecovered => "store.recovered",
            Self::StoreRestored => "store.restored",
            Self::StoreBackedUp => "store.backed_up",
            Self::BrokerStarted => "broker.started",
            Self::LogContinued => "log.continued",
            Self::RecordLost => "record.lost",
            Self::DetailsErased => "audit.details_erased",
        }
    }
}
